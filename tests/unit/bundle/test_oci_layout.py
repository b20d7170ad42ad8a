"""An image's JSON, written by us, is what others read: their digests, sizes and layers agree."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.container_images import blobs_of
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.oci_layout import (
    ImageLayer,
    layers_of,
    write_image,
)

SETTINGS = {
    "entrypoint": ["/bin/tool"],
    "cmd": ["--help"],
    "user": "65532:65532",
    "workingdir": "/data",
    "env": ["A=1"],
    "exposedports": ["80/tcp"],
}


def layer(path: Path, text: str) -> Path:
    (path.parent / "file").write_text(text)
    with tarfile.open(path, "w") as archive:
        archive.add(path.parent / "file", text)
    return path


def read(layout: Path, descriptor: dict[str, Any]) -> dict[str, Any]:
    data = (layout / "blobs" / descriptor["digest"].replace(":", "/")).read_bytes()
    assert descriptor["size"] == len(data)
    assert descriptor["digest"] == f"sha256:{hashlib.sha256(data).hexdigest()}"
    return dict(json.loads(data)) if descriptor["mediaType"].endswith("+json") else {}


def test_an_image_is_layers_as_they_are_and_a_configuration(tmp_path: Path) -> None:
    first, second = layer(tmp_path / "first.tar", "first"), layer(tmp_path / "second.tar", "second")
    layout = tmp_path / "image"
    write_image(layout, [ImageLayer(first, "one"), ImageLayer(second, "two")], SETTINGS, "amd64")
    (listed,) = json.loads((layout / "index.json").read_text())["manifests"]
    manifest = read(layout, listed)
    assert manifest["mediaType"] == listed["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert [item["mediaType"] for item in manifest["layers"]] == ["application/vnd.oci.image.layer.v1.tar"] * 2
    for item in manifest["layers"]:
        read(layout, item)
    config = read(layout, manifest["config"])
    assert config["rootfs"]["diff_ids"] == [item["digest"] for item in manifest["layers"]]
    assert [entry["created_by"] for entry in config["history"]] == ["one", "two"]
    assert (config["os"], config["architecture"]) == ("linux", "amd64")
    assert config["config"] == {
        "Entrypoint": ["/bin/tool"],
        "Cmd": ["--help"],
        "User": "65532:65532",
        "WorkingDir": "/data",
        "Env": ["A=1"],
        "ExposedPorts": {"80/tcp": {}},
    }
    # Nothing besides what the image is made of.
    blobs = {f"sha256:{path.name}" for path in (layout / "blobs/sha256").iterdir()}
    assert blobs == set(blobs_of(layout, listed))


def test_an_image_takes_the_layers_of_the_one_that_it_starts_from(tmp_path: Path) -> None:
    base = [ImageLayer(layer(tmp_path / "base.tar", "base"), "the base")]
    write_image(tmp_path / "base", base, {}, "amd64")
    own = ImageLayer(layer(tmp_path / "own.tar", "own"), "its own")
    write_image(tmp_path / "image", [*layers_of(tmp_path / "base"), own], {"cmd": ["sh"]}, "amd64")
    found = layers_of(tmp_path / "image")
    assert [item.holds for item in found] == ["the base", "its own"]
    assert [item.file.read_bytes() for item in found] == [base[0].file.read_bytes(), own.file.read_bytes()]


def test_the_same_layers_make_the_same_image(tmp_path: Path) -> None:
    only = [ImageLayer(layer(tmp_path / "layer.tar", "text"), "text")]
    for name in ("a", "b"):
        write_image(tmp_path / name, only, SETTINGS, "amd64")
    assert (tmp_path / "a/index.json").read_bytes() == (tmp_path / "b/index.json").read_bytes()
