# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Imports images of an OCI layout into containerd under names of ours.

Only the blobs are stored. containerd unpacks an image when the first container is made from it, so
that a node holds unpacked what it runs, and nothing else.
"""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError

# What precedes the names of the bundle's images: we built them, and no registry can answer for them
# (docs/decisions/image_names.md).
PREFIX = "localhost/workshop"
REFERENCE = "org.opencontainers.image.ref.name"
NAME = "io.containerd.image.name"


class ImportFailedError(WorkshopError):
    """The images cannot be imported; one sentence for people."""


def wanted_manifests(index: Mapping[str, Any], prefix: str, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Descriptors in a layout's index by the name that containerd is to know them by.

    Args:
        index: content of the layout's index.json.
        prefix: what comes before the layout's own references, `PREFIX` for the bundle's.
        names: full names to take.
    """
    listed = {f"{prefix}/{item.get('annotations', {}).get(REFERENCE)}": item for item in index["manifests"]}
    missing = sorted(set(names) - set(listed))
    if missing:
        raise ImportFailedError(f"The bundle has no image {', '.join(missing)}: make the bundle again.")
    return {name: listed[name] for name in sorted(set(names))}


def listed_images(output: str) -> dict[str, str]:
    """Digests by name from the output of `ctr images ls`."""
    rows = [line.split() for line in output.splitlines()[1:]]
    return {row[0]: row[2] for row in rows if len(row) > 2}


def blobs_of(layout: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Digests of everything that an image is made of, manifests and indexes included."""
    yield manifest["digest"]
    content = json.loads(blob_path(layout, manifest["digest"]).read_text())
    for child in content.get("manifests", []):
        yield from blobs_of(layout, child)
    for part in [content["config"], *content["layers"]] if "config" in content else []:
        yield part["digest"]


def blob_path(layout: Path, digest: str) -> Path:
    return layout / "blobs" / Path(*digest.split(":", 1))


def write_archive(layout: Path, manifests: Mapping[str, Mapping[str, Any]], target: IO[bytes]) -> None:
    """Write an OCI archive of these images, renamed, to `target`."""
    descriptors = [{**item, "annotations": {NAME: name}} for name, item in manifests.items()]
    index = json.dumps({"schemaVersion": 2, "manifests": descriptors}).encode()
    digests = sorted({digest for item in manifests.values() for digest in blobs_of(layout, item)})
    with tarfile.open(fileobj=target, mode="w|") as archive:
        for name, content in (("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'), ("index.json", index)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for digest in digests:
            archive.add(blob_path(layout, digest), arcname="blobs/" + digest.replace(":", "/"))


class Containerd:
    """containerd on this machine or in a container of it: the running one, or one that runs for this import alone.

    Args:
        namespace: containerd's namespace.
        binaries: directory of containerd and ctr.
        socket: containerd's socket.
        container: name of the Podman container that it runs in; empty: this machine.
    """

    def __init__(self, namespace: str, binaries: str, socket: str, container: str = "") -> None:
        self.namespace = namespace
        self.binaries = binaries
        self.socket = socket
        self.container = container

    @contextlib.contextmanager
    def running(self, timeout: float = 30) -> Iterator[None]:
        """While this lasts, containerd answers."""
        if self.answers():
            yield
        elif self.container or Path(self.socket).exists():  # its supervisor is about to start it
            self._wait(timeout, lambda: None)
            yield
        else:
            with self._started(timeout):
                yield

    @contextlib.contextmanager
    def _started(self, timeout: float) -> Iterator[None]:
        command = [f"{self.binaries}/containerd", "--log-level=error"]
        daemon = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self._wait(timeout, daemon.poll)
            yield
        finally:
            daemon.terminate()
            daemon.wait()

    def _wait(self, timeout: float, ended: Callable[[], int | None]) -> None:
        deadline = time.monotonic() + timeout
        while not self.answers():
            if ended() is not None or time.monotonic() > deadline:
                raise ImportFailedError(f"containerd{' of ' * bool(self.container)}{self.container} does not answer.")
            time.sleep(0.1)

    def answers(self) -> bool:
        return subprocess.run(self._command("version"), check=False, capture_output=True).returncode == 0

    def images(self) -> dict[str, str]:
        return listed_images(self._ctr("images", "ls").stdout.decode())

    def load(self, layout: Path, manifests: Mapping[str, Mapping[str, Any]]) -> None:
        # --local: the transfer service would want a snapshotter, which a file system on overlay does not offer.
        command = self._command("images", "import", "--local", "--no-unpack", "-")
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            assert process.stdin
            assert process.stdout
            with contextlib.suppress(BrokenPipeError):
                write_archive(layout, manifests, process.stdin)
                process.stdin.close()
            output = process.stdout.read().decode(errors="replace")
        if process.returncode:
            raise ImportFailedError(f"ctr images import: {output.strip()[-500:]}")

    def _command(self, *arguments: str) -> list[str]:
        inside = ["podman", "exec", "--interactive", self.container] if self.container else []
        address = ["--address", self.socket, "--namespace", self.namespace]
        return [*inside, f"{self.binaries}/ctr", *address, *arguments]

    def _ctr(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(self._command(*arguments), check=True, capture_output=True)
