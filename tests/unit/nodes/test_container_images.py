"""Images go from the bundle's layout into containerd under our names."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from ansible_collections.istio_games.workshop.plugins.module_utils.nodes import container_images as images


def add_blob(layout: Path, content: bytes) -> str:
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    path = images.blob_path(layout, digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return digest


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    manifests = []
    for name in ("busybox:1.35.0", "node:1.36.3"):
        config, layer = (
            add_blob(tmp_path, f"config of {name}".encode()),
            add_blob(tmp_path, f"layer of {name}".encode()),
        )
        manifest = json.dumps({"config": {"digest": config}, "layers": [{"digest": layer}]}).encode()
        manifests.append({"digest": add_blob(tmp_path, manifest), "annotations": {images.REFERENCE: name}})
    (tmp_path / "index.json").write_text(json.dumps({"manifests": manifests}))
    return tmp_path


def test_only_wanted_images_and_their_blobs_are_archived(layout: Path) -> None:
    index = json.loads((layout / "index.json").read_text())
    wanted = images.wanted_manifests(index, "localhost/workshop", ["localhost/workshop/busybox:1.35.0"])
    target = io.BytesIO()
    images.write_archive(layout, wanted, target)
    target.seek(0)
    with tarfile.open(fileobj=target) as archive:
        members = {member.name: archive.extractfile(member) for member in archive.getmembers()}
        written = json.load(members["index.json"])  # type: ignore[arg-type]
    assert [item["annotations"] for item in written["manifests"]] == [
        {images.NAME: "localhost/workshop/busybox:1.35.0"}
    ]
    assert len([name for name in members if name.startswith("blobs/")]) == 3


def test_an_image_that_the_bundle_lacks_is_named(layout: Path) -> None:
    index = json.loads((layout / "index.json").read_text())
    with pytest.raises(images.ImportFailedError, match="no image localhost/workshop/redis:7"):
        images.wanted_manifests(index, "localhost/workshop", ["localhost/workshop/redis:7"])


def test_what_containerd_has_is_read_with_its_digests() -> None:
    output = (
        "REF TYPE DIGEST SIZE PLATFORMS LABELS\n"
        "localhost/workshop/busybox:1.35.0 application/vnd.oci.image.manifest.v1+json sha256:11 1.0 MiB linux/amd64 -\n"
        "cut\n"
        "\n"
    )
    assert images.listed_images(output) == {"localhost/workshop/busybox:1.35.0": "sha256:11"}
