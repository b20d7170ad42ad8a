# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A build's context as a deterministic archive, and the digest that decides whether to build at all."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import stat
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.kaniko.ignore_file import IgnoreFile, IgnoreFileError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.terminal import printable

# A ConfigMap holds 1 MiB.
MAX_ARCHIVE_BYTES = 900 * 1024
# More than that is not read, let alone packed.
MAX_SOURCE_BYTES = 100 * 1024 * 1024
# How many of its largest files a context that is too large names.
NAMED = 3
# In the source directory: what stays out of every image, as for Docker and Podman.
IGNORE_FILE = ".dockerignore"


class ContextError(WorkshopError):
    """The sources cannot be packed. The message is one sentence for people."""


@dataclass(frozen=True)
class Build:
    """One image to build: NAME:TAG from some paths of a source directory."""

    image: str
    tag: str
    dockerfile: str
    # What goes into the context, relative to the source directory.
    paths: tuple[str, ...]
    build_args: Mapping[str, str] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        """NAME:TAG."""
        return f"{self.image}:{self.tag}"


@dataclass(frozen=True)
class Context:
    """A packed context."""

    archive: bytes
    # sha256 of the archive before compression: zlib's output differs between its versions.
    digest: str


def pack(root: Path, build: Build) -> Context:
    """Pack a build's paths; equal contents give equal archives, whatever the files' dates and owners are.

    Raises:
        ContextError: there is no such path or Dockerfile, something cannot be in a context, or it is too large.
    """
    try:
        files = sorted(set(_files(root, build)), key=str)
        if PurePosixPath(build.dockerfile) not in files:
            raise ContextError(f"there is no {build.dockerfile} among its paths ({', '.join(build.paths)})")
        _refuse_large({path: _size(root / path) for path in files}, MAX_SOURCE_BYTES, "", root)
        entries = [_entry(root, path, files) for path in files]
        archive, digest = _packed(entries)
        sizes = {PurePosixPath(entry.name): entry.size for entry, _ in entries}
        _refuse_large(sizes, MAX_ARCHIVE_BYTES, " packed", root, len(archive))
    except ContextError as error:
        # A file may be called anything, and somebody else may have made it.
        raise ContextError(printable(f"{build.reference} cannot be built: {error}.", kept="")) from error
    return Context(archive, digest)


def _packed(entries: Sequence[tuple[tarfile.TarInfo, bytes]]) -> tuple[bytes, str]:
    """Give the archive, and the digest of it before compression."""
    tar = io.BytesIO()
    # PAX: names of any length, in UTF-8.
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry, content in entries:
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(tar.getvalue(), mtime=0), hashlib.sha256(tar.getvalue()).hexdigest()


def _refuse_large(sizes: Mapping[PurePosixPath, int], most: int, how: str, root: Path, size: int | None = None) -> None:
    """Refuse sources that are too large in all (`size`, or else the sum), and name the largest."""
    size = sum(sizes.values()) if size is None else size
    if size <= most:
        return
    largest = sorted(sizes, key=lambda path: sizes[path], reverse=True)[:NAMED]
    raise ContextError(
        f"its sources are {size // 1024} KiB{how}, and at most {most // 1024} KiB go to the cluster. The largest are "
        f"{', '.join(f'{path} ({sizes[path] // 1024} KiB)' for path in largest)}: move away what does not belong into "
        f"the image, or name it in {root / IGNORE_FILE}"
    )


def _size(path: Path) -> int:
    """Give a file's size; what is no file, or cannot be looked at, is judged when it is packed."""
    try:
        found = path.lstat()
    except (OSError, ValueError):
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def source_digest(context: Context, build: Build) -> str:
    """Give the digest of everything that an image is made of: its sources and its arguments, the base among them."""
    inputs = {"context": context.digest, "dockerfile": build.dockerfile, "args": dict(build.build_args)}
    return "sha256:" + hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def _files(root: Path, build: Build) -> Iterator[PurePosixPath]:
    """Give everything below a build's paths that is no directory and is not ignored; its Dockerfile never is."""
    ignore = _ignore_file(root, build)
    for name in build.paths:
        start = root / name
        if not (_mode(start) or start.is_symlink()):
            raise ContextError(f"there is no {name} in {root}")
        # Where a link leads that is no directory, is judged with the others.
        below = start if stat.S_ISDIR(_mode(start)) else start.parent
        if ".." in PurePosixPath(name).parts or _inside(root, below) is None:
            raise ContextError(f"{name} leads out of {root}: its sources must be in there")
        for path in _below(start, lambda path: ignore.leaves_out(path.relative_to(root).as_posix())):
            relative = PurePosixPath(path.relative_to(root).as_posix())
            if str(relative) == build.dockerfile or not ignore.leaves_out(str(relative)):
                yield relative


def _ignore_file(root: Path, build: Build) -> IgnoreFile:
    """Read the Dockerfile's own file, or else the source directory's, as Docker does."""
    for name in (f"{build.dockerfile}{IGNORE_FILE}", IGNORE_FILE):
        if os.path.lexists(root / name):
            if (root / name).exists() and not (root / name).is_file():  # whoever opens a pipe waits
                raise ContextError(f"{root / name} is no file")
            try:
                return IgnoreFile(_read(root / name).decode("utf-8", "surrogateescape"))
            except IgnoreFileError as error:
                raise ContextError(
                    f"in {root / name}, {error} (a backslash before a character takes it as it is)"
                ) from error
    return IgnoreFile("")


def _below(start: Path, is_ignored: Callable[[Path], bool]) -> Iterator[Path]:
    """Give everything at and below a path that is no directory; a directory that cannot be read leaves nothing out."""

    def unreadable(error: OSError) -> None:
        if not is_ignored(Path(error.filename)):
            raise ContextError(f"{error.filename} cannot be read ({error.strerror})") from error

    if not stat.S_ISDIR(_mode(start)):
        yield start
        return
    for directory, directories, names in os.walk(start, onerror=unreadable):
        yield from (Path(directory, name) for name in names)
        yield from (path for name in directories if (path := Path(directory, name)).is_symlink())


def _entry(root: Path, path: PurePosixPath, files: Sequence[PurePosixPath]) -> tuple[tarfile.TarInfo, bytes]:
    """Give a file or a symbolic link as an archive has it, and its content."""
    source = root / path
    try:
        str(path).encode()
        mode = source.lstat().st_mode
    except UnicodeEncodeError:
        raise ContextError(f"the name of {str(path)!r} is not UTF-8") from None
    except OSError as error:
        raise ContextError(f"{path} cannot be read ({error.strerror})") from error
    entry = tarfile.TarInfo(str(path))
    if stat.S_ISLNK(mode):
        entry.type, entry.mode, entry.linkname = tarfile.SYMTYPE, 0o777, _target(root, path, files)
        return entry, b""
    if not stat.S_ISREG(mode):
        raise ContextError(f"{path} is neither a file nor a link (a socket, a pipe or a device)")
    content = _read(source)
    entry.size, entry.mode = len(content), 0o755 if mode & stat.S_IXUSR else 0o644
    return entry, content


def _target(root: Path, path: PurePosixPath, files: Sequence[PurePosixPath]) -> str:
    """Give where a link leads, which must be something that the build has as well."""
    target = (root / path).readlink().as_posix()
    led = (root / path).parent.joinpath(target)
    inside = _inside(root, led) if _mode(led) and not target.startswith("/") else None
    if inside is None or not any(inside == other or inside in other.parents for other in files):
        raise ContextError(f"the link {path} leads to {target}, which is not among its sources: copy that instead")
    return target


def _mode(path: Path) -> int:
    """Give the mode of what a path leads to; 0 where a link leads nowhere: to nothing, in a circle, to no name."""
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def _inside(root: Path, path: Path) -> PurePosixPath | None:
    """Give a path relative to the source directory, links followed; None for one outside it."""
    try:
        return PurePosixPath(path.resolve().relative_to(root.resolve()).as_posix())
    except (ValueError, RuntimeError, OSError):  # outside, or, before Python 3.13, a circle
        return None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ContextError(f"{path} cannot be read ({error.strerror})") from error
