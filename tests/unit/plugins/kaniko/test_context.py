"""A context depends on its contents alone, and the source digest on everything that an image is made of."""

from __future__ import annotations

import io
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.kaniko.context import (
    Build,
    ContextError,
    pack,
    source_digest,
)

BUILD = Build("istio-games-aleph", "0.1", "app/Dockerfile", ("app", "common"), {"VERSION": "0.1", "FAULTS": ""})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, content in {
        "app/Dockerfile": "FROM x\n",
        "app/a.py": "a = 1\n",
        "common/c.py": "",
        "other/o.py": "",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    return tmp_path


def names(archive: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as opened:
        return opened.getnames()


def test_it_holds_the_paths_alone(root: Path) -> None:
    assert names(pack(root, BUILD).archive) == ["app/Dockerfile", "app/a.py", "common/c.py"]


def test_what_tools_leave_behind_is_left_out(root: Path) -> None:
    before = pack(root, BUILD)
    (root / "app/__pycache__").mkdir()
    (root / "app/__pycache__/a.cpython-311.pyc").write_text("x")
    (root / "app/.a.py.swp").write_text("x")
    (root / "app/.mypy_cache").mkdir()
    (root / "app/.mypy_cache/x").write_text("x")
    assert pack(root, BUILD) == before


def test_dates_and_group_rights_do_not_matter(root: Path) -> None:
    before = pack(root, BUILD)
    os.utime(root / "app/a.py", (1, 1))
    (root / "app/a.py").chmod(0o600)
    assert pack(root, BUILD) == before


def test_contents_names_and_execute_bits_matter(root: Path) -> None:
    digests = {pack(root, BUILD).digest}
    (root / "app/a.py").write_text("a = 2\n")
    digests.add(pack(root, BUILD).digest)
    (root / "app/a.py").chmod(0o755)
    digests.add(pack(root, BUILD).digest)
    (root / "app/a.py").rename(root / "app/b.py")
    digests.add(pack(root, BUILD).digest)
    assert len(digests) == 4


def test_overlapping_paths_are_packed_once(root: Path) -> None:
    twice = replace(BUILD, paths=("app", "app/a.py", "common"))
    assert pack(root, twice) == pack(root, BUILD)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (replace(BUILD, dockerfile="app/Missing"), "istio-games-aleph:0.1 cannot be built: there is no app/Missing"),
        (replace(BUILD, paths=("app", "nothing")), "istio-games-aleph:0.1 cannot be built: there is no nothing in"),
    ],
)
def test_missing_sources_are_named(root: Path, build: Build, message: str) -> None:
    with pytest.raises(ContextError, match=message):
        pack(root, build)


def test_links_are_refused(root: Path) -> None:
    (root / "app/link.py").symlink_to("a.py")
    with pytest.raises(ContextError, match=r"link\.py is no plain file"):
        pack(root, BUILD)


def test_too_much_is_refused(root: Path) -> None:
    (root / "app/big").write_bytes(os.urandom(1024 * 1024))
    with pytest.raises(ContextError, match="KiB packed, at most 900 KiB go to the cluster"):
        pack(root, BUILD)


def test_the_digest_covers_everything_that_an_image_is_made_of(root: Path) -> None:
    context = pack(root, BUILD)
    first = source_digest(context, BUILD, "python@sha256:1")
    assert first == source_digest(
        context, replace(BUILD, build_args={"FAULTS": "", "VERSION": "0.1"}), "python@sha256:1"
    )
    others = {
        source_digest(context, BUILD, "python@sha256:2"),
        source_digest(context, replace(BUILD, build_args={"VERSION": "0.1", "FAULTS": "x"}), "python@sha256:1"),
        source_digest(replace(context, digest="0"), BUILD, "python@sha256:1"),
        source_digest(context, replace(BUILD, dockerfile="common/c.py"), "python@sha256:1"),
    }
    assert len(others | {first}) == 5
