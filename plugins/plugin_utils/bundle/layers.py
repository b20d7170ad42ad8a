# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Image layers as tar files that come out the same whenever and wherever they are made."""

from __future__ import annotations

import io
import os
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

# Of an installed Debian system, an image needs neither documentation (but licences go with what they are of) nor what
# belongs to one machine or one moment (which mirror, by which proxy).
_LEFT_OUT = re.compile(
    r"(dev|proc|sys|run|tmp)/.+"
    r"|usr/share/(man|info|locale|lintian|bug)/.+"
    r"|usr/share/doc/[^/]+/(?!copyright$).+"
    r"|var/(cache|log)/.+"
    r"|var/lib/apt/lists/.+"
    r"|var/lib/dpkg/.*-old"
    r"|etc/(hostname|resolv\.conf|machine-id|fstab)"
    r"|etc/apt/(sources\.list(\.d/.+)?|apt\.conf\.d/99mmdebstrap)"
)
_CA_CERTIFICATES = re.compile(r"usr/share/ca-certificates/.+\.crt")
_CA_BUNDLE = "etc/ssl/certs/ca-certificates.crt"


class Layer:
    """A tar file in the making: entries owned by root, dated `epoch` (seconds since 1970).

    Use it as a context manager; paths are absolute paths in the image.
    """

    def __init__(self, path: Path, epoch: int) -> None:
        self._tar = tarfile.open(path, "w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - closed by __exit__
        self._epoch = epoch
        self._made: set[str] = set()

    def __enter__(self) -> Layer:
        return self

    def __exit__(self, *_: object) -> None:
        self._tar.close()

    def _entry(self, path: str, kind: bytes, mode: int, uid: int = 0) -> tarfile.TarInfo:
        name = path.strip("/")
        parent = name.rpartition("/")[0]
        if parent and parent not in self._made:
            self.directory(parent)
        self._made.add(name)
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode, entry.uid, entry.gid, entry.mtime = kind, mode, uid, uid, self._epoch
        return entry

    def directory(self, path: str, mode: int = 0o755, uid: int = 0) -> None:
        """Add a directory, and those above it that this layer has not made yet."""
        self._tar.addfile(self._entry(path, tarfile.DIRTYPE, mode, uid))

    def link(self, path: str, target: str) -> None:
        """Add a symbolic link."""
        entry = self._entry(path, tarfile.SYMTYPE, 0o777)
        entry.linkname = target
        self._tar.addfile(entry)

    def file(self, path: str, source: Path) -> None:
        """Add a file with the content of `source`, executable if that is."""
        entry = self._entry(path, tarfile.REGTYPE, 0o755 if os.access(source, os.X_OK) else 0o644)
        entry.size = source.stat().st_size
        with source.open("rb") as stream:
            self._tar.addfile(entry, stream)


def normalize_root_filesystem(source: Path, target: Path, epoch: int) -> None:
    """Copy mmdebstrap's tar file without what an image does not need.

    Packages that were only unpacked have not run update-ca-certificates: the
    CA bundle is then put together here, as it does.
    """
    with tarfile.open(source) as original, tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as layer:
        certificates = []
        has_bundle = False
        for entry in _sorted(original):
            if _LEFT_OUT.fullmatch(entry.name) or not entry.name:
                continue
            has_bundle = has_bundle or entry.name == _CA_BUNDLE
            entry.mtime = min(int(entry.mtime), epoch)
            entry.uname = entry.gname = ""
            entry.pax_headers = {}
            content = original.extractfile(entry) if entry.isreg() else None
            if content and _CA_CERTIFICATES.fullmatch(entry.name):
                certificates.append(content.read())
                content.seek(0)
            layer.addfile(entry, content)
        if certificates and not has_bundle:
            entry = tarfile.TarInfo(_CA_BUNDLE)
            text = b"".join(certificates)
            entry.size, entry.mode, entry.mtime = len(text), 0o644, epoch
            layer.addfile(entry, io.BytesIO(text))


def _sorted(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The entries by path (parents before children, hard links after what they link to)."""
    entries = archive.getmembers()
    for entry in entries:
        entry.name = entry.name.removeprefix("./").strip("/").removeprefix(".")
        if entry.islnk():
            entry.linkname = entry.linkname.removeprefix("./")
    yield from sorted(entries, key=lambda entry: (entry.islnk(), entry.name))
