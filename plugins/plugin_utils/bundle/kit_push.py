# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A kit into a registry, by skopeo: an OCI artifact whose layers are the pieces of the kit's file, in order."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit import KitError, Manifest
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_contents import TEMPORARY
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_pull import (
    ARTIFACT_TYPE,
    PIECE_TYPE,
    SIGNATURE_TYPE,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_registry import read_logins, tls
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_signature import SUFFIX
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.process import run
from ansible_collections.istio_games.workshop.plugins.plugin_utils.paths import expanded

_TARGET = re.compile(r"(?P<repository>[\w.-]+(:\d+)?/[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)(?::(?P<tag>[\w][\w.-]{0,127}))?")
# What a registry that breaks off has to send again at most.
_PIECE = 16 << 20  # bytes
_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"


def check_push(target: str, login: str, ca: str) -> None:
    """Raise KitError unless `target` is HOST/NAME or HOST/NAME:TAG, and the files are such as `push` takes."""
    if not _TARGET.fullmatch(target):
        raise KitError(
            f"kit_push is {target!r:.120}, but must be a registry and a name in it: for example "
            "-e kit_push=registry.example/workshop/bundle."
        )
    if not shutil.which("skopeo"):
        raise KitError("skopeo pushes a kit and is not installed: type apt-get install skopeo.")
    read_logins(login)
    tls(ca)


def push(
    kit: Path,
    manifest: Manifest,
    target: str,
    workplace: Path,
    say: Callable[[str], None],
    login: str = "",
    ca: str = "",
) -> str:
    """Push a kit's file, with the signature beside it where there is one.

    Args:
        target: HOST/NAME, or HOST/NAME:TAG (by default the kit's version and architecture).
        workplace: an existing directory, on whose file system a copy of the kit is made.
        login: a file of registries' logins, as `skopeo login --authfile` writes it; empty: skopeo's own.
        ca: a file of CA certificates (PEM) that the registry's is judged by besides this machine's; empty: none.

    Returns:
        HOST/NAME@sha256:DIGEST.
    """
    found = _TARGET.fullmatch(target)
    if not found:
        raise AssertionError(target)
    repository, tag = found["repository"], found["tag"] or f"{manifest.version}-{manifest.architecture}"
    with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=workplace) as temporary:
        layout, certificates = Path(temporary) / "layout", Path(temporary) / "certificates"
        digest = _write_layout(layout, kit, manifest)
        options = ["--dest-authfile", str(expanded(login))] if login else []
        if ca:
            certificates.mkdir()
            shutil.copyfile(expanded(ca), certificates / "ca.crt")
            options += ["--dest-cert-dir", str(certificates)]
        say(f"pushing {kit.stat().st_size / 1e6:.0f} MB to {repository}:{tag}")
        run(
            ["skopeo", "copy", "--preserve-digests", *options, f"oci:{layout}:kit", f"docker://{repository}:{tag}"],
            what="kit",
            source=f"the registry {repository.partition('/')[0]}",
            log=Path(temporary) / "skopeo.log",
            say=say,
        )
    return f"{repository}@{digest}"


def _write_layout(layout: Path, kit: Path, manifest: Manifest) -> str:
    """Write an OCI layout that holds the kit alone, under the name "kit". Returns its digest."""
    blobs = layout / "blobs/sha256"
    blobs.mkdir(parents=True)

    def blob(content: bytes, kind: str) -> dict[str, Any]:
        name = hashlib.sha256(content).hexdigest()
        (blobs / name).write_bytes(content)
        return {"mediaType": kind, "digest": f"sha256:{name}", "size": len(content)}

    def pieces() -> Iterator[dict[str, Any]]:
        with kit.open("rb") as stream:
            while content := stream.read(_PIECE):
                yield blob(content, PIECE_TYPE)

    layers = list(pieces())
    signature = kit.with_name(kit.name + SUFFIX)
    if signature.is_file():
        layers.append(blob(signature.read_bytes(), SIGNATURE_TYPE))
    config = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(manifest.architecture, manifest.architecture),
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
    }
    artifact = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST_TYPE,
        "artifactType": ARTIFACT_TYPE,
        "config": blob(json.dumps(config).encode(), _CONFIG_TYPE),
        "layers": layers,
        "annotations": {"org.opencontainers.image.version": manifest.version, "io.workshop.bundle": manifest.bundle},
    }
    described = blob(json.dumps(artifact).encode(), _MANIFEST_TYPE)
    named = described | {"annotations": {"org.opencontainers.image.ref.name": "kit"}}
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
    return str(described["digest"])
