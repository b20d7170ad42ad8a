# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writing a kit: the manifest first, then every file, through zstd; the same files make the same bytes."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.contract import sha256
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import NO_LOCKS
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.how_far import HowFar
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit import (
    MANIFEST,
    KitError,
    Manifest,
    Member,
    Piece,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.store import is_still, take

# The window is what every zstd, tar and apt decompresses without being asked to (128 MB).
ZSTD = ("zstd", "--quiet", "--check", "-12", "--long=27", "--threads=0", "--stdout")
# What is smaller than this is not looked for in earlier members: zstd finds much of that by itself.
_WORTH_LOOKING = 1 << 14  # bytes
_LAYER = "images/blobs/"
_ELSEWHERE = "name another place with -e kit_file=/another/directory/workshop.kit."


class Found(NamedTuple):
    """A file, or one in a layer: the sha256 of its content, where that begins, and its bytes."""

    sha256: str
    offset: int
    size: int


def members(tops: Mapping[str, Path]) -> Iterator[Member]:
    """Name every file below these directories, each as a member of the kit's directory of that name.

    The images come first, the largest of their layers before the others: what stands in one is not stored again.
    """
    place = 0
    for top, directory in tops.items():
        known: dict[str, tuple[int, int]] = {}  # by sha256 the member that holds it, and from where on
        for path in sorted(_files(directory), key=_order):
            name = f"{top}/{path.relative_to(directory)}"
            if path.is_symlink():
                yield Member(name, link=str(path.readlink()))
            else:
                digest, size = sha256(path), path.stat().st_size
                inside = [Found(digest, 0, size), *(_inside(path) if _LAYER in name else ())]
                pieces = _pieces(size, inside, known)
                own = _sha256_of_own(path, pieces) if any(piece.holder is None for piece in pieces) else ""
                yield Member(name, size, digest, os.access(path, os.X_OK), pieces=pieces, own=own)
                for found in inside:
                    known.setdefault(found.sha256, (place, found.offset))
            place += 1


def _order(path: Path) -> tuple[bool, int, Path]:
    is_layer = _LAYER in str(path)
    return not is_layer, -path.stat().st_size if is_layer else 0, path


def _pieces(size: int, inside: Iterable[Found], known: Mapping[str, tuple[int, int]]) -> tuple[Piece, ...]:
    """Divide a file into what earlier members hold and what is its own; nothing when all of it is."""
    pieces, end = [], 0
    for found in inside:
        if found.size >= _WORTH_LOOKING and found.sha256 in known and found.offset >= end:
            if found.offset > end:
                pieces.append(Piece(found.offset - end))
            pieces.append(Piece(found.size, *known[found.sha256]))
            end = found.offset + found.size
    if pieces and end < size:
        pieces.append(Piece(size - end))
    return tuple(pieces)


@contextlib.contextmanager
def one_writer(file: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Keep other runs, whatever cache they use, from writing `file` while this lasts; nothing is left of it afterwards.

    Of a file system without locks (a network's) they are not kept.

    Raises:
        KitError: its directory cannot be written.
    """
    place = file.with_name(f".{file.name}.lock")
    while True:
        try:
            opened = os.open(place, os.O_RDONLY | os.O_CREAT, 0o644)
        except OSError as error:
            raise KitError(f"{file} cannot be written ({error.strerror}: {place}): {_ELSEWHERE}") from error
        with os.fdopen(opened) as lock:
            found = os.fstat(lock.fileno())
            try:
                take(lock.fileno(), lambda: say(f"waiting for another run that writes {file} to end"))
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise
            if is_still(place, found):  # who held it removes it
                try:
                    yield
                finally:
                    place.unlink(missing_ok=True)
                return


def write(
    path: Path, manifest: Manifest, tops: Mapping[str, Path], say: Callable[[str], None] = lambda text: None
) -> None:
    """Write the kit to `path`, which becomes it at once when it is complete; nobody else must, meanwhile.

    Args:
        say: told every 15 seconds how far it is.
    """
    new = path.with_name(f".{path.name}.new")
    try:
        with (
            new.open("wb") as sink,
            subprocess.Popen(ZSTD, stdin=subprocess.PIPE, stdout=sink, stderr=subprocess.PIPE) as zstd,
        ):
            assert zstd.stdin
            assert zstd.stderr
            with contextlib.suppress(BrokenPipeError):  # it says why it has ended
                how_far = HowFar("written", sum(member.stored for member in manifest.members), say)
                _write_archive(_Counted(zstd.stdin, how_far), manifest, tops)
                zstd.stdin.close()
            said = zstd.stderr.read().decode(errors="replace").strip()
            if zstd.wait():
                raise KitError(
                    f"{path} cannot be written ({said.splitlines()[-1][-120:] if said else 'zstd has ended'}): free "
                    f"some space, or {_ELSEWHERE}"
                )
            os.fsync(sink.fileno())  # a stick may be pulled out as soon as we have said that it is there
        new.rename(path)
    except OSError as error:
        raise KitError(f"{path} cannot be written ({error.strerror or error}): {_ELSEWHERE}") from error
    finally:
        new.unlink(missing_ok=True)


class _Counted:
    """What is written, passed on and counted."""

    def __init__(self, sink: IO[bytes], how_far: HowFar) -> None:
        self._sink, self._how_far = sink, how_far

    def write(self, data: bytes) -> int:
        """Pass it on."""
        self._how_far.add(self._sink.write(data))
        return len(data)


def _write_archive(sink: _Counted, manifest: Manifest, tops: Mapping[str, Path]) -> None:
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
        text = manifest.dump()
        archive.addfile(_entry(MANIFEST, len(text)), io.BytesIO(text))
        for member in manifest.members:
            if member.has_entry:
                source = tops[member.top] / member.name.partition("/")[2]
                with source.open("rb") as stream:
                    own = _own(stream, member.pieces or (Piece(member.size),))
                    archive.addfile(_entry(member.name, member.stored, member.executable), own)


def _files(directory: Path) -> Iterator[Path]:
    for path in directory.rglob("*"):
        if path.is_symlink() or path.is_file():
            yield path


def _entry(name: str, size: int, executable: bool = False) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o755 if executable else 0o644
    return entry


def _own(stream: IO[bytes], pieces: Iterable[Piece]) -> io.BufferedReader:
    """Of an open file, the bytes that its pieces call its own."""
    return io.BufferedReader(_Own(stream, pieces), 1 << 20)


class _Own(io.RawIOBase):
    def __init__(self, stream: IO[bytes], pieces: Iterable[Piece]) -> None:
        self._stream = stream
        self._spans: list[tuple[int, int]] = []
        at = 0
        for piece in pieces:
            if piece.holder is None:
                self._spans.append((at, piece.size))
            at += piece.size

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill a buffer with the next bytes. Returns how many there were, none at the end."""
        if not self._spans:
            return 0
        at, left = self._spans.pop(0)
        self._stream.seek(at)
        data = self._stream.read(min(left, len(memoryview(buffer))))
        memoryview(buffer)[: len(data)] = data
        if data and len(data) < left:
            self._spans.insert(0, (at + len(data), left - len(data)))
        return len(data)


def _sha256_of_own(path: Path, pieces: Iterable[Piece]) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(_own(stream, pieces), "sha256").hexdigest()


def _inside(layer: Path) -> Iterator[Found]:
    """The larger files in an uncompressed layer, in their order."""
    try:
        with tarfile.open(layer, "r:") as archive:
            for entry in archive:
                if entry.isreg() and entry.size >= _WORTH_LOOKING:
                    content = archive.extractfile(entry)
                    assert content
                    yield Found(hashlib.file_digest(content, "sha256").hexdigest(), entry.offset_data, entry.size)  # type: ignore[arg-type]
    except tarfile.TarError:
        return  # no layer, or a compressed one
