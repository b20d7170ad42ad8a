# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writing a kit: the manifest first, then every file, through zstd; the same files make the same bytes."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit import (
    MANIFEST,
    KitError,
    Manifest,
    Member,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_signature import SUFFIX

# The window is what every zstd, tar and apt decompresses without being asked to (128 MB).
ZSTD = ("zstd", "--quiet", "--check", "-12", "--long=27", "--threads=0", "--stdout")
# A file smaller than this is not looked for in image layers.
_WORTH_LOOKING = 1 << 20  # bytes
_LAYER = "images/blobs/"


def members(tops: Mapping[str, Path]) -> Iterator[Member]:
    """Name every file below these directories, each as a member of the kit's directory of that name.

    The images come first, since a program that stands in one of their layers as well is not stored twice.
    """
    inside: dict[str, tuple[str, int]] = {}
    for top, directory in tops.items():
        for path in sorted(_files(directory), key=lambda path: (_LAYER not in str(path), path)):
            name = f"{top}/{path.relative_to(directory)}"
            if path.is_symlink():
                yield Member(name, link=str(path.readlink()))
                continue
            size = path.stat().st_size
            digest = _sha256(path)
            holder, offset = inside.get(digest, ("", 0)) if size >= _WORTH_LOOKING else ("", 0)
            yield Member(name, size, digest, os.access(path, os.X_OK), inside=holder, offset=offset)
            if _LAYER in name:
                inside |= {found: (name, at) for found, at in _programs(path)}


def write(path: Path, manifest: Manifest, tops: Mapping[str, Path]) -> None:
    """Write the kit to `path`, which becomes it at once when it is complete."""
    new = path.with_name(f".{path.name}.new")
    try:
        with new.open("wb") as sink, subprocess.Popen(ZSTD, stdin=subprocess.PIPE, stdout=sink) as zstd:
            assert zstd.stdin
            with tarfile.open(fileobj=zstd.stdin, mode="w|", format=tarfile.PAX_FORMAT) as archive:
                text = manifest.dump()
                archive.addfile(_entry(MANIFEST, len(text)), io.BytesIO(text))
                for member in manifest.members:
                    if member.stored:
                        source = tops[member.top] / member.name.partition("/")[2]
                        with source.open("rb") as stream:
                            archive.addfile(_entry(member.name, member.size, member.executable), stream)
            zstd.stdin.close()
            if zstd.wait():
                raise KitError(f"zstd could not write {path}.")
        new.rename(path)
    except OSError as error:
        raise KitError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        new.unlink(missing_ok=True)


def sign(path: Path, key: str) -> None:
    """Sign a kit with minisign: the signature stands beside it."""
    done = subprocess.run(
        ["minisign", "-S", "-s", key, "-m", path, "-x", f"{path}{SUFFIX}", "-t", f"file:{path.name}"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise KitError(
            f"minisign could not sign {path} with {key}: {(done.stderr or done.stdout).strip()[-200:]} The key must "
            "have no password (minisign -G -W)."
        )


def check_sign_key(key: str) -> None:
    """Raise KitError when signing with this key cannot work."""
    if not shutil.which("minisign"):
        raise KitError("minisign signs a kit and is not installed: type apt-get install minisign.")
    if not Path(key).is_file() or "secret key" not in Path(key).read_text(errors="replace")[:200]:
        raise KitError(
            f"kit_sign_key is {key!r}, but must be the file of a secret key of minisign (minisign -G -W makes one): "
            "for example -e kit_sign_key=kit.key."
        )


def _files(directory: Path) -> Iterator[Path]:
    for path in directory.rglob("*"):
        if path.is_symlink() or path.is_file():
            yield path


def _entry(name: str, size: int, executable: bool = False) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o755 if executable else 0o644
    return entry


def _programs(layer: Path) -> Iterable[tuple[str, int]]:
    """The sha256 of each larger file in an uncompressed layer, and where it stands there."""
    try:
        with tarfile.open(layer, "r:") as archive, layer.open("rb") as stream:
            for entry in archive:
                if entry.isreg() and entry.size >= _WORTH_LOOKING:
                    stream.seek(entry.offset_data)
                    digest, left = hashlib.sha256(), entry.size
                    while left:
                        chunk = stream.read(min(left, 1 << 20))
                        digest.update(chunk)
                        left -= len(chunk)
                    yield digest.hexdigest(), entry.offset_data
    except tarfile.TarError:
        return  # no layer, or a compressed one


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
