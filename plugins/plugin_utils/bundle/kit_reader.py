# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading a kit: every byte is compared with its manifest, and nothing has a name of its own before all are right."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, NamedTuple

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.how_far import HowFar
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit import (
    COPY,
    MANIFEST,
    MANIFEST_LIMIT,
    DamagedError,
    KitError,
    Manifest,
    Member,
    Piece,
    parse,
)

MAGIC = b"\x28\xb5\x2f\xfd"
_CHUNK = 1 << 20
# Bytes that a tar file has of an entry besides its content, at most: headers, a long name, what fills the last block.
_ENTRY = 8192
# Every Debian has it, and it reads what zstd writes: a fresh machine may lack zstd itself.
_APT_HELPER = "/usr/lib/apt/apt-helper"
# What a kit that is cut or changed looks like to tarfile.
_DAMAGE = (tarfile.TarError, EOFError, ValueError, zlib.error)


def read_manifest(path: Path) -> Manifest:
    """The manifest at the file's beginning; the rest is not looked at.

    Raises:
        KitError: it is no kit.
    """
    with _opened(path) as kit:
        return _manifest(path, kit)


def unpack(path: Path, targets: Mapping[str, Path | None], say: Callable[[str], None]) -> Manifest:
    """Compare all of a kit with its manifest, and write what is below each of its directories to its target.

    Args:
        targets: an empty directory by the name of a kit's directory ("bundle"); a directory that is not named, or is
            None, is compared alone.

    Raises:
        KitError: it is no kit, or is cut or changed, or there is no space. The targets then hold something of it.
    """
    where: Path | None = None
    try:
        with _opened(path) as kit:
            manifest = _manifest(path, kit)
            say(f"reading {path} ({path.stat().st_size / 1e6:.0f} MB): every file is compared with the kit's manifest")
            places = [_place(targets.get(member.top), member) for member in manifest.members]
            how_far = HowFar("compared", sum(member.stored for member in manifest.members), say)
            for member, target in zip(manifest.members, places, strict=True):
                where = targets.get(member.top)
                if target:
                    target.parent.mkdir(parents=True, exist_ok=True)
                if not member.link:
                    _copy(_entry(kit.archive, member) if member.has_entry else None, member, target, places)
                elif target:
                    target.symlink_to(member.link)
                how_far.add(member.stored)
            _end(kit)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT) and where:
            raise KitError(
                f"No space is left in {where.parent} for what {path} holds: free some, or put the cache elsewhere with "
                "-e workshop_cache_dir=/another/directory; nothing was changed."
            ) from error
        raise KitError(f"{path}: {error.strerror}: {error.filename or ''}; nothing was changed.") from error
    return manifest


def _place(where: Path | None, member: Member) -> Path | None:
    return where / member.name.partition("/")[2] if where else None


def _entry(archive: tarfile.TarFile, member: Member) -> IO[bytes]:
    entry = archive.next()
    stream = archive.extractfile(entry) if entry else None
    if entry is None or stream is None or (entry.name, entry.size) != (member.name, member.stored):
        raise ValueError(f"{entry.name if entry else 'nothing'} instead of {member.name}")
    if entry.issparse():
        raise ValueError(f"{member.name} has holes")
    return stream


def _copy(own: IO[bytes] | None, member: Member, target: Path | None, places: Sequence[Path | None]) -> None:
    """Put a member together, or only look at its own bytes; raise ValueError when they are not what the manifest says.

    Args:
        own: its own bytes, in the kit.
        places: where each member of the kit is.
    """
    whole, of_own = hashlib.sha256(), hashlib.sha256()
    with target.open("xb") if target else nullcontext() as sink:
        for piece in member.pieces or (Piece(member.size),):
            if piece.holder is None:
                for chunk in _chunks(own, piece.size, member):
                    of_own.update(chunk)
                    whole.update(chunk)
                    if sink:
                        sink.write(chunk)
            elif sink and (holder := places[piece.holder]):
                with holder.open("rb") as stream:
                    stream.seek(piece.offset)
                    for chunk in _chunks(stream, piece.size, member):
                        whole.update(chunk)
                        sink.write(chunk)
    right = of_own.hexdigest() == member.own if member.own else True
    if sink or not member.pieces:
        right = right and whole.hexdigest() == member.sha256
    if not right:
        raise ValueError(f"{member.name} is not what the manifest says")
    if target:
        target.chmod(0o755 if member.executable else 0o644)


def _chunks(source: IO[bytes] | None, size: int, member: Member) -> Iterator[bytes]:
    """The next `size` bytes."""
    while size:
        chunk = source.read(min(_CHUNK, size)) if source else b""
        if not chunk:
            raise ValueError(f"{member.name} ends too early")
        size -= len(chunk)
        yield chunk


def _manifest(path: Path, kit: _Open) -> Manifest:
    entry = kit.archive.next()
    stream = kit.archive.extractfile(entry) if entry and entry.name == MANIFEST else None
    if entry is None or stream is None or entry.size > MANIFEST_LIMIT:
        raise KitError(
            f"{path} is no kit: it does not begin with a kit's manifest. playbooks/export_kit.yml makes one; nothing "
            "was changed."
        )
    manifest = parse(stream.read(), str(path))
    kit.content.allow(sum(member.stored + _ENTRY for member in manifest.members))
    return manifest


class _Content:
    """What comes out of a compressed file, as long as it is no more than it may be.

    A few bytes are decompressed to many: without a limit, whoever reads them would fill the memory, or never end.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._left = stream, MANIFEST_LIMIT + 2 * _CHUNK

    def allow(self, more: int) -> None:
        """Let so many bytes more come."""
        self._left += more

    def read(self, size: int) -> bytes:
        """The next bytes; raises ValueError when they are too many."""
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise ValueError("more in it than its manifest names")
        return data


class _Open(NamedTuple):
    """A kit that is being read: the tar file in it, as a stream, and what decompresses that."""

    archive: tarfile.TarFile
    content: _Content
    process: subprocess.Popen[bytes]


@contextmanager
def _opened(path: Path) -> Iterator[_Open]:
    """Open a kit's file.

    Raises:
        KitError: for all that shows, here or in the context, that the file is cut or changed.
    """
    _check_file(path)
    with (
        tempfile.TemporaryDirectory() as directory,
        path.open("rb") as source,
        subprocess.Popen(
            _decompressor(path, Path(directory)), stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process,
    ):
        try:
            assert process.stdout
            content = _Content(process.stdout)
            with tarfile.open(fileobj=content, mode="r|", bufsize=_CHUNK) as archive:  # type: ignore[call-overload]
                yield _Open(archive, content, process)
        except _DAMAGE as error:
            raise DamagedError(f"{path} is cut or changed ({error}). {COPY}") from error
        finally:
            process.kill()


def _end(kit: _Open) -> None:
    """Raise ValueError unless the tar file and the compressed one end here, and end well."""
    if kit.archive.next():
        raise ValueError("more in it than its manifest names")
    assert kit.archive.fileobj
    while more := kit.archive.fileobj.read(_CHUNK):
        if more.strip(b"\0"):
            raise ValueError("more behind its end")
    assert kit.process.stderr
    said = kit.process.stderr.read().decode(errors="replace").strip()
    if kit.process.wait():
        raise ValueError(said.splitlines()[-1][-120:] if said else "it cannot be decompressed")


def _decompressor(path: Path, directory: Path) -> list[str | Path]:
    """What decompresses its standard input (or the very same file)."""
    if shutil.which("zstd"):
        return ["zstd", "--decompress", "--stdout", "--quiet"]
    if os.access(_APT_HELPER, os.X_OK):
        # It knows what to do by the end of a file's name.
        link = directory / "kit.zst"
        link.symlink_to(path.absolute())
        return [_APT_HELPER, "cat-file", link]
    raise KitError(
        f"{path} cannot be read: neither zstd nor apt is on this machine. Install zstd; nothing was changed."
    )


def _check_file(path: Path) -> None:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise KitError(f"{path} is a directory, and a kit is one file: name it, for example {path}/workshop.kit.")
        if not stat.S_ISREG(mode):  # whoever opens a pipe waits, and a device may have no end
            raise OSError(errno.EINVAL, "it is a pipe, a socket or a device")
        with path.open("rb") as stream:
            magic = stream.read(5)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise KitError(
            f"The kit {path} cannot be read ({why}): workshop_kit must be a file that export_kit.yml made, "
            "or a registry's HOST/NAME@sha256:DIGEST; nothing was changed."
        ) from error
    # Of the fifth byte, zstd ignores one bit: whoever has flipped it has changed the kit all the same.
    if magic[:4] != MAGIC or len(magic) < 5 or magic[4] & 0x10:
        raise KitError(
            f"{path} is no kit (it is not compressed by zstd). playbooks/export_kit.yml makes one; nothing was changed."
        )
