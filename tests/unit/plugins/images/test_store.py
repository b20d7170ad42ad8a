"""The registry's storage: what its pod removes when it starts, and how it is made to."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.images.store import RESTARTED, Store

CHECK = Path(__file__).parents[4] / "roles/registry/files/check"
LAYER = b"a layer"
DIGEST = hashlib.sha256(LAYER).hexdigest()
BLOB = f"blobs/sha256/{DIGEST[:2]}/{DIGEST}/data"
LINK = "repositories/team/aleph/_manifests/tags/0.1/current/link"


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """A storage with one blob and one tag."""
    root = tmp_path / "docker/registry/v2"
    for name, content in {BLOB: LAYER, LINK: f"sha256:{DIGEST}".encode()}.items():
        (root / name).parent.mkdir(parents=True)
        (root / name).write_bytes(content)
    return root


def check(root: Path) -> str:
    return subprocess.run(["sh", CHECK, root.parents[2]], capture_output=True, text=True, check=True, timeout=30).stdout


def test_what_is_whole_stays(storage: Path) -> None:
    assert check(storage) == ""
    assert (storage / BLOB).read_bytes() == LAYER
    assert (storage / LINK).exists()


@pytest.mark.parametrize("content", [b"", b"a lay", b"a lazer", b"a layer and more"])
def test_a_blob_that_is_something_else_goes(storage: Path, content: bytes) -> None:
    (storage / BLOB).write_bytes(content)
    assert check(storage) == f"sha256:{DIGEST} was {len(content)} bytes of something else, and is removed\n"
    assert not (storage / BLOB).parent.exists()
    assert (storage / LINK).exists()


@pytest.mark.parametrize("content", ["", "sha256:", f"sha256:{DIGEST[1:]}", "elsewhere"])
def test_a_tag_that_names_nothing_goes(storage: Path, content: str) -> None:
    (storage / LINK).write_text(content)
    assert check(storage) == "team/aleph/_manifests/tags/0.1 named no image, and is removed\n"
    assert not (storage / LINK).parents[1].exists()
    assert (storage / BLOB).exists()


@pytest.mark.parametrize("break_it", [lambda path: path.unlink(), lambda path: (path.unlink(), path.parent.rmdir())])
def test_what_is_missing_already_is_no_trouble(storage: Path, break_it: Callable[[Path], Any]) -> None:
    break_it(storage / BLOB)
    assert check(storage) == ""


def test_an_empty_storage_is_no_trouble(tmp_path: Path) -> None:
    assert check(tmp_path / "docker/registry/v2") == ""


def test_a_restart_tells_what_went(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = "/apis/apps/v1/namespaces/registry/deployments/registry"
    pods = "/api/v1/namespaces/registry/pods"
    api.put(deployment, spec={"replicas": 1})
    labels = {"app.kubernetes.io/name": "registry"}
    api.put(f"{pods}/old", metadata={"labels": labels, "deletionTimestamp": "2026-01-01"})
    api.put(f"{pods}/new", metadata={"labels": labels})
    api.logs[f"{pods}/new"] = "sha256:b was 0 bytes of something else, and is removed\n"
    waited: list[Any] = []
    monkeypatch.setattr(
        "ansible_collections.istio_games.workshop.plugins.plugin_utils.images.store.Rollouts.wait",
        lambda self, names, timeout: waited.append(names),
    )
    said: list[str] = []
    Store(api, "registry", said.append).clear_up()
    assert api.objects[deployment]["spec"]["template"]["metadata"]["annotations"][RESTARTED]
    assert waited == [["registry"]]
    assert said[1:] == ["sha256:b was 0 bytes of something else, and is removed"]
