# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a bundle is, wherever it came from: a directory that is, byte for byte, what its lock.json says.

    bin/ cni/    what the nodes run themselves
    images/      an OCI layout
    wheels/      the services' Python packages
    sbom/        bills of materials, of all of it and of each image (CycloneDX)
    lock.json    all of it by sha256, and what it was made of (lock.schema.json describes it)

`read` judges the lock alone, `verify` everything. Their sentences name what is wrong and leave the remedy to the
caller, who knows whether the bundle can be made again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import platform
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.container_images import blob_path, blobs_of
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.how_far import HowFar
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.lock_schema import problem

SCHEMA = 2
LOCK = "lock.json"


@dataclasses.dataclass(frozen=True)
class File:
    """A file: its sha256 (hexadecimal), its size in bytes and its permissions, "0644" or "0755"."""

    sha256: str
    size: int
    mode: str


@dataclasses.dataclass(frozen=True)
class Image:
    """An image: the reference that nodes know it by, and its manifest's digest ("sha256:...")."""

    reference: str
    digest: str


@dataclasses.dataclass(frozen=True)
class LockedPart:
    """A part that the bundle was made from.

    Attributes:
        name: kind and name, for example "go kubernetes".
        version: as its source calls it; of Debian's parts the suite, of wheels the Python version.
        source: the Go module, the PyPI package, or "Debian SUITE: PACKAGES".
        licence: an SPDX expression; NOASSERTION for several packages, each of which has its own.
        sha256: of each file that it came out as, by path.
    """

    name: str
    version: str
    source: str
    licence: str
    sha256: dict[str, str]


@dataclasses.dataclass(frozen=True)
class Lock:
    """What lock.json says.

    Attributes:
        schema: SCHEMA.
        key: the bundle's content address, and the name of its directory: 16 hexadecimal digits.
        architecture: as `uname -m` has it.
        proxy: "plain" for Envoy's plain release, "istio" for Istio's own build.
        supply: sha256 over everything that it was made of: pins, recipes and the sums that Go's parts must have.
        versions: of what a room compares, by name.
        parts: what it was made from, images apart.
        files: every file but lock.json, by path.
        links: the target of every symbolic link, by path.
        images: by name.
    """

    schema: int
    key: str
    architecture: str
    proxy: str
    supply: str
    versions: dict[str, str]
    parts: tuple[LockedPart, ...]
    files: dict[str, File]
    links: dict[str, str]
    images: dict[str, Image]

    @property
    def text(self) -> str:
        """What stands in lock.json."""
        return json.dumps(dataclasses.asdict(self), indent=2, sort_keys=True) + "\n"

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files.values())


def read(path: Path) -> Lock:
    """Read the lock of the bundle in the directory `path`; of the other files nothing is looked at.

    Raises:
        BundleError: there is no bundle, its lock is no lock of this schema, or it is for another architecture.
    """
    if not path.is_dir():
        raise BundleError(f"There is no bundle {path}.")
    try:
        if os.path.lexists(path / LOCK) and not stat.S_ISREG((path / LOCK).lstat().st_mode):  # who reads a pipe waits
            raise BundleError(f"The bundle {path}: {LOCK} is no file.")
        data = json.loads((path / LOCK).read_text())
    except FileNotFoundError as error:
        what = f"has no {LOCK}" if any(path.iterdir()) else "is an empty directory"
        raise BundleError(f"The bundle {path} {what}.") from error
    except OSError as error:
        raise BundleError(f"The bundle {path} cannot be read ({error.strerror}: {error.filename}).") from error
    except (ValueError, RecursionError) as error:
        raise BundleError(f"The bundle {path}: {LOCK} is cut or changed: it is no JSON.") from error
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA:
        found = f"is of schema {schema}" if schema else "names no schema"
        raise BundleError(f"The bundle {path}: {LOCK} {found}, but this version of the workshop reads {SCHEMA}.")
    if strange := problem(data):
        raise BundleError(f"The bundle {path}: {LOCK} is changed: {strange}.")
    lock = _lock(data)
    if lock.architecture != platform.machine():
        raise BundleError(f"The bundle {path} is for {lock.architecture}, but this machine is {platform.machine()}.")
    return lock


def _lock(data: dict[str, Any]) -> Lock:
    return Lock(
        **data
        | {
            "parts": tuple(LockedPart(**part) for part in data["parts"]),
            "files": {name: File(**file) for name, file in data["files"].items()},
            "images": {name: Image(**image) for name, image in data["images"].items()},
        }
    )


def bundle_images(bundle: str) -> dict[str, str]:
    """References by name of the images of the bundle in the directory `bundle`, as the nodes know them.

    Raises:
        BundleError: it is no bundle that this version can use.
    """
    try:
        return {name: image.reference for name, image in read(Path(bundle)).images.items()}
    except BundleError as error:
        raise BundleError(f"{error} Type make up, which gives the room one that can be used.") from error


def verify(path: Path, progress: Callable[[str], None] | None = None) -> None:
    """Compare every byte of the bundle in the directory `path` with its lock.

    Args:
        path: the bundle's directory.
        progress: told what is compared, and every 15 seconds how far it is.

    Raises:
        BundleError: naming the first file, link or blob that is missing, empty, cut, changed or not listed.
    """
    lock = read(path)
    if progress:
        progress(f"comparing {path} with its lock: {len(lock.files)} files, {lock.size / 1e6:.0f} MB")
    found = dict(_entries(path))
    _same_names(path, lock, found)
    how_far = HowFar("compared", lock.size, progress or (lambda _: None))
    for name, file in sorted(lock.files.items()):
        _same_file(path, name, file, found[name])
        how_far.add(file.size)
    for name, target in sorted(lock.links.items()):
        if (found_target := str((path / name).readlink())) != target:
            raise BundleError(f"The bundle {path}: {name} leads to {found_target}, not to {target}.")
    _same_images(path, lock)


def listing(path: Path) -> tuple[dict[str, File], dict[str, str]]:
    """Give the files and links of a bundle's directory as its lock is to have them."""
    files, links = {}, {}
    for name, entry in sorted(_entries(path)):
        if stat.S_ISLNK(entry.st_mode):
            links[name] = str((path / name).readlink())
        else:
            files[name] = File(sha256(path / name), entry.st_size, _mode(entry))
    return files, links


def sha256(path: Path) -> str:
    """The file's sha256 (hexadecimal)."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _entries(path: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Everything below `path` but directories that hold something, and the lock."""
    for directory, names, files in os.walk(path, onerror=_unreadable):
        links = [name for name in names if (Path(directory) / name).is_symlink()]
        for name in [*files, *links]:
            entry = Path(directory) / name
            if entry != path / LOCK:
                yield str(entry.relative_to(path)), entry.lstat()
        if not names and not files and Path(directory) != path:
            yield f"{Path(directory).relative_to(path)}/", os.lstat(directory)


def _unreadable(error: OSError) -> None:
    raise BundleError(f"The bundle's {error.filename} cannot be read ({error.strerror}).") from error


def _same_names(path: Path, lock: Lock, found: dict[str, os.stat_result]) -> None:
    listed = lock.files.keys() | lock.links.keys()
    for name in sorted(listed - found.keys()):
        raise BundleError(f"The bundle {path}: {name} is missing.")
    for name in sorted(found.keys() - listed):
        raise BundleError(f"The bundle {path}: {name} is not listed in its {LOCK}.")
    for name in sorted(listed):
        mode = found[name].st_mode
        if name in lock.files and not stat.S_ISREG(mode):
            raise BundleError(f"The bundle {path}: {name} is no file.")
        if name in lock.links and not stat.S_ISLNK(mode):
            raise BundleError(f"The bundle {path}: {name} is no link.")


def _same_file(path: Path, name: str, file: File, entry: os.stat_result) -> None:
    size = entry.st_size
    if size != file.size:
        how = "empty" if not size else "cut" if size < file.size else "changed"
        raise BundleError(f"The bundle {path}: {name} is {how}: {size} bytes instead of {file.size}.")
    if _mode(entry) != file.mode:
        raise BundleError(f"The bundle {path}: {name} has the permissions {_mode(entry)} instead of {file.mode}.")
    try:
        same = sha256(path / name) == file.sha256
    except OSError as error:
        raise BundleError(f"The bundle {path}: {name} cannot be read ({error.strerror}).") from error
    if not same:
        raise BundleError(f"The bundle {path}: {name} was changed: its sha256 is not {file.sha256}.")


def _mode(entry: os.stat_result) -> str:
    return f"{stat.S_IMODE(entry.st_mode):04o}"


def _same_images(path: Path, lock: Lock) -> None:
    """Compare the OCI layout with the lock's images: its files are as listed, but are they what images are made of?"""
    layout = path / "images"
    try:
        manifests = json.loads((layout / "index.json").read_text())["manifests"]
        indexed = {item["digest"] for item in manifests}
        for name, image in sorted(lock.images.items()):
            if image.digest not in indexed:
                raise BundleError(f"The bundle {path}: images/index.json has no image {name} ({image.digest}).")
        needed = set()
        for manifest in manifests:
            for digest in blobs_of(layout, manifest):  # reads a blob after it was looked at here
                blob = str(blob_path(layout, digest).relative_to(path))
                if blob not in lock.files:
                    raise BundleError(f"The bundle {path}: {blob} is missing, which an image is made of.")
                if digest != f"sha256:{lock.files[blob].sha256}":
                    raise BundleError(f"The bundle {path}: {blob} is changed: it has not the digest in its name.")
                needed.add(blob)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BundleError(f"The bundle {path}: images/ is no OCI layout ({error}).") from error
    for name in sorted(lock.files):
        if name.startswith("images/blobs/") and name not in needed:
            raise BundleError(f"The bundle {path}: {name} belongs to no image.")
