"""A path that somebody gives is none, or is refused in a sentence, whatever is wrong with its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.errors import KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.kubeconfig import load
from ansible_collections.istio_games.workshop.plugins.plugin_utils.paths import expanded, is_file
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import changes, handed_out, settings
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import archive

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"
STRANGE = ["x" * 300, "/" + "y" * 5000, "a\0b", "~nobody-of-this-name/file", "/proc/self/mem/x", "\udcff", "/"]


@pytest.mark.parametrize("path", STRANGE)
def test_what_is_no_file_is_one_sentence(path: str) -> None:
    assert not is_file(expanded(path))
    assert handed_out.refusal(path) == ""
    assert str(changes.to_remember({"kubeconfig": path}, ["kubeconfig"], ["kubeconfig"])[0]["kubeconfig"]).endswith(
        path
    )
    for name in ("workshop_kubeconfig", "workshop_ca_bundle", "registry_config_file"):
        (sentence,) = settings.problems({name: path}, ["alephbeth"])
        assert sentence.startswith(f"{name} is ")
    with pytest.raises(archive.ArchiveError, match="There is no file"):
        archive.read(Path(path), {})
    with pytest.raises(KubernetesError, match="There is no kubeconfig at"):
        load(path, 1)


def test_what_may_not_be_read_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    for name in ("stat", "read_bytes", "open"):
        monkeypatch.setattr(Path, name, refused)
    for name in ("workshop_kubeconfig", "workshop_ca_bundle"):
        (sentence,) = settings.problems({name: "/elsewhere/file"}, ["alephbeth"])
        assert sentence.startswith(f"{name} is '/elsewhere/file', but must be ")


@pytest.mark.parametrize("path", sorted((PLUGINS / "plugin_utils").rglob("*.py")) + sorted(PLUGINS.glob("action/*.py")))
def test_a_home_that_is_not_there_ends_nothing(path: Path) -> None:
    """pathlib raises RuntimeError for it."""
    assert ".expanduser()" not in path.read_text() or path.name == "paths.py"
