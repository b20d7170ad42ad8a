# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writing an image into an OCI layout: its layers as they are, uncompressed, and the JSON that names them.

Uncompressed, since whoever sends a bundle compresses all of it at once and better (kit.py), and a node need not
unpack twice.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.contract import sha256

_CREATED = "1970-01-01T00:00:00Z"
_MEDIA = "application/vnd.oci.image."
# What recipes.yml calls a setting, and what an image's configuration does.
SETTINGS = {
    "entrypoint": "Entrypoint",
    "cmd": "Cmd",
    "user": "User",
    "workingdir": "WorkingDir",
    "env": "Env",
    "exposedports": "ExposedPorts",
}


@dataclasses.dataclass(frozen=True)
class ImageLayer:
    """A layer: the tar file, and a word on what it holds."""

    file: Path
    holds: str


def write_image(layout: Path, layers: Sequence[ImageLayer], settings: Mapping[str, Any], architecture: str) -> None:
    """Write the one image of an OCI layout; what it is called is said where layouts are put together.

    Args:
        layout: its directory, made here.
        layers: from the lowest on; their files are hard-linked.
        settings: of its configuration, by the names in SETTINGS.
        architecture: as Go calls it.
    """
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    descriptors = [_link(blobs, layer.file) for layer in layers]
    config = {
        "created": _CREATED,
        "architecture": architecture,
        "os": "linux",
        "config": _config(settings),
        "rootfs": {"type": "layers", "diff_ids": [item["digest"] for item in descriptors]},
        "history": [{"created": _CREATED, "created_by": layer.holds} for layer in layers],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_MEDIA}manifest.v1+json",
        "config": _add(blobs, "config.v1+json", config),
        "layers": descriptors,
    }
    index = {"schemaVersion": 2, "manifests": [_add(blobs, "manifest.v1+json", manifest)]}
    (layout / "index.json").write_text(json.dumps(index))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def layers_of(layout: Path) -> list[ImageLayer]:
    """The layers of a layout's one image, for another image to start from."""
    blobs = layout / "blobs"

    def read(digest: str) -> dict[str, Any]:
        return dict(json.loads((blobs / digest.replace(":", "/")).read_text()))

    (listed,) = json.loads((layout / "index.json").read_text())["manifests"]
    manifest = read(listed["digest"])
    history = read(manifest["config"]["digest"])["history"]
    return [
        ImageLayer(blobs / layer["digest"].replace(":", "/"), entry["created_by"])
        for layer, entry in zip(manifest["layers"], history, strict=True)
    ]


def _config(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        SETTINGS[key]: {port: {} for port in value} if key == "exposedports" else value
        for key, value in settings.items()
    }


def _link(blobs: Path, layer: Path) -> dict[str, Any]:
    digest = sha256(layer)
    if not (blobs / digest).exists():
        os.link(layer, blobs / digest)
    return {"mediaType": f"{_MEDIA}layer.v1.tar", "digest": f"sha256:{digest}", "size": layer.stat().st_size}


def _add(blobs: Path, kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    text = json.dumps(data, sort_keys=True, separators=(",", ":")).encode()
    digest = hashlib.sha256(text).hexdigest()
    (blobs / digest).write_bytes(text)
    return {"mediaType": f"{_MEDIA}{kind}", "digest": f"sha256:{digest}", "size": len(text)}
