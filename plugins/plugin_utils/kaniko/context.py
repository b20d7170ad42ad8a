# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A build's context as a deterministic archive, and the digest that decides whether to build at all."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError

# A ConfigMap holds 1 MiB.
MAX_ARCHIVE_BYTES = 900 * 1024
# Made by tools beside the sources; never part of an image.
_LEFT_OUT = {"__pycache__", ".git", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".venv"}
_LEFT_OUT_SUFFIXES = {".pyc", ".pyo", ".swp"}


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
    """Pack a build's paths; equal contents give equal archives, whatever the files' dates and owners are."""
    if build.dockerfile not in {str(path) for path in _files(root, build)}:
        raise ContextError(
            f"{build.reference} cannot be built: there is no {build.dockerfile} among its paths "
            f"({', '.join(build.paths)})."
        )
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(set(_files(root, build)), key=str):
            _add(archive, root, path)
    packed = gzip.compress(tar.getvalue(), mtime=0)
    if len(packed) > MAX_ARCHIVE_BYTES:
        raise ContextError(
            f"{build.reference} cannot be built: its sources are {len(packed) // 1024} KiB packed, at most "
            f"{MAX_ARCHIVE_BYTES // 1024} KiB go to the cluster: remove what does not belong into "
            f"{', '.join(build.paths)}."
        )
    return Context(packed, hashlib.sha256(tar.getvalue()).hexdigest())


def source_digest(context: Context, build: Build, base: str) -> str:
    """Give the digest of everything that an image is made of.

    Args:
        context: the packed sources.
        build: what is built of them.
        base: the base image, with its digest where that is known.
    """
    inputs = {"context": context.digest, "dockerfile": build.dockerfile, "args": dict(build.build_args), "base": base}
    return "sha256:" + hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def _files(root: Path, build: Build) -> Iterator[PurePosixPath]:
    for name in build.paths:
        start = root / name
        if not start.exists():
            raise ContextError(f"{build.reference} cannot be built: there is no {name} in {root}.")
        found: Sequence[Path] = sorted(start.rglob("*")) if start.is_dir() else [start]
        for path in found:
            relative = path.relative_to(root)
            if _LEFT_OUT & set(relative.parts) or path.suffix in _LEFT_OUT_SUFFIXES or path.is_dir():
                continue
            yield PurePosixPath(relative.as_posix())


def _add(archive: tarfile.TarFile, root: Path, path: PurePosixPath) -> None:
    source = root / path
    if source.is_symlink() or not source.is_file():
        raise ContextError(f"{source} is no plain file: a build context holds plain files only.")
    content = source.read_bytes()
    entry = tarfile.TarInfo(str(path))
    entry.size = len(content)
    entry.mode = 0o755 if source.stat().st_mode & 0o100 else 0o644
    archive.addfile(entry, io.BytesIO(content))
