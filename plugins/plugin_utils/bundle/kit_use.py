# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Taking a kit into the cache: found by content, verified before anything is changed, in place all at once.

In the cache (the bundle is where one that was built would be, see builder.py)::

    kits/SHA256.json   the manifest of a kit file of that sha256 that was verified and unpacked
    kits/pulled/       what came from a registry (kit_pull.py)

What a fresh machine needs before Ansible runs (wheels, Debian packages) is unpacked beside the project, where its
owner can read it: `Use.extras`.
"""

from __future__ import annotations

import dataclasses
import errno
import fcntl
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit import (
    BUNDLE,
    COPY,
    DamagedError,
    KitError,
    Manifest,
    check_fits,
    pins,
    version_of,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_pull import Puller, reference
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_reader import read_manifest, unpack
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_signature import SUFFIX, check_signature

# Of a kit, what is unpacked beside the project; the rest that is not the bundle (the collection) is for people.
EXTRAS = ("wheels", "debian")
_SPARE = 50_000_000  # bytes that are left free besides


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a kit is.

    Attributes:
        kit: its file, or HOST/NAME@sha256:DIGEST.
        key: minisign's public key, or its file: the kit must be signed by it. Empty: a signature is not asked for.
        login: of a registry's kit, a file of logins (see kit_pull.Puller); empty: none.
        ca: of a registry's kit, a file of CA certificates; empty: this machine's own.
    """

    kit: str
    key: str = ""
    login: str = ""
    ca: str = ""


@dataclasses.dataclass(frozen=True)
class Taken:
    """A kit that was taken into the cache.

    Attributes:
        bundle: the bundle's directory.
        extras: where its wheels and Debian packages are, when asked for.
        changed: whether anything was written (check mode: would be).
        manifest: what the kit says of itself.
    """

    bundle: Path
    extras: Path | None
    changed: bool
    manifest: Manifest


class Use:
    """How a project takes kits.

    Args:
        project: the checkout, or the installed collection.
        cache: the cache's root, made when missing.
        say: tells people about the progress, one line at a time.
        verify_bundle: raises a WorkshopError for a bundle's directory that is not what its lock says.
        extras: the directory below which wheels and Debian packages are unpacked; None: they are not.
    """

    def __init__(
        self,
        project: Path,
        cache: Path,
        say: Callable[[str], None],
        verify_bundle: Callable[[Path], object],
        extras: Path | None = None,
    ) -> None:
        self._project, self._cache, self._say = project, cache, say
        self._verify_bundle, self._extras = verify_bundle, extras

    def take(self, source: Source, check_mode: bool = False) -> Taken:
        """Verify a kit, and unpack what of it is not there yet.

        Raises:
            KitError: it cannot be used; nothing was changed.
        """
        wanted = reference(source.kit)
        if not wanted:
            return self._take_file(Path(source.kit).expanduser(), source.key, check_mode)
        pulled = Puller(self._cache / "kits/pulled", self._say, source.login, source.ca).pull(wanted)
        try:
            return self._take_file(pulled, source.key, check_mode)
        except DamagedError:
            pulled.unlink(missing_ok=True)  # what is kept must not stand in the way of a good one
            raise

    def _take_file(self, path: Path, key: str, check_mode: bool) -> Taken:
        manifest = read_manifest(path)
        if key:
            check_signature(path, path.with_name(path.name + SUFFIX), key)
        check_fits(manifest, str(path), version_of(self._project), pins(self._project))
        digest = _sha256(path)
        stamp = self._cache / "kits" / f"{digest}.json"
        bundle = self._cache / "bundles" / manifest.bundle
        extras = self._extras / digest[:16] if self._extras else None
        known = stamp.is_file() and self._is_whole(bundle)
        if known and (extras is None or extras.is_dir()):
            self._say(f"{path}: its bundle {manifest.bundle} is in the cache")
            return Taken(bundle, extras, False, manifest)
        if check_mode:
            unpack(path, {}, self._say)
            return Taken(bundle, extras, True, manifest)
        self._check_space(path, manifest)
        with _locked(self._cache, self._say), _workplace(self._cache) as new, _workplace(self._extras) as new_extras:
            targets = {BUNDLE: new} if new else {}
            targets |= {top: new_extras / top for top in EXTRAS} if new_extras else {}
            unpack(path, targets, self._say)
            if new:
                self._put(path, manifest, new, bundle)
            if extras and new_extras:
                new_extras.chmod(0o755)
                shutil.rmtree(extras, ignore_errors=True)
                new_extras.rename(extras)
            stamp.parent.mkdir(exist_ok=True)
            stamp.write_bytes(manifest.dump())
        return Taken(bundle, extras, True, manifest)

    def _put(self, path: Path, manifest: Manifest, new: Path, bundle: Path) -> None:
        """Give a bundle that was unpacked its place, unless a good one is there."""
        self._verify_bundle(new)
        key = json.loads((new / "lock.json").read_text()).get("key")
        if key != manifest.bundle:
            raise DamagedError(f"{path} holds the bundle {key!r}, and its manifest says {manifest.bundle}. {COPY}")
        if not self._is_whole(bundle):
            shutil.rmtree(bundle, ignore_errors=True)
            bundle.parent.mkdir(exist_ok=True)
            new.chmod(0o755)
            new.rename(bundle)

    def _is_whole(self, bundle: Path) -> bool:
        if not bundle.is_dir():
            return False
        try:
            self._verify_bundle(bundle)
        except WorkshopError as error:
            self._say(f"{error} The kit's takes its place.")
            return False
        return True

    def _check_space(self, path: Path, manifest: Manifest) -> None:
        """Find too little space before anything is written."""
        needed: dict[int, list[tuple[Path, int]]] = {}
        wanted = [(self._cache, manifest.size(BUNDLE))]
        if self._extras:
            wanted.append((self._extras, sum(manifest.size(top) for top in EXTRAS)))
        for directory, size in wanted:
            there = next(parent for parent in (directory, *directory.parents) if parent.exists())
            needed.setdefault(there.stat().st_dev, []).append((there, size))
        for found in needed.values():
            directory, total = found[0][0], sum(size for _, size in found) + _SPARE
            free = shutil.disk_usage(directory).free
            if free < total:
                raise KitError(
                    f"No space for what {path} holds: {total / 1e6:.0f} MB are needed in {directory}'s file system, "
                    f"and {free / 1e6:.0f} MB are free. Free some, or put the cache elsewhere with "
                    "-e workshop_cache_dir=/another/directory; nothing was changed."
                )


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def _locked(cache: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Keep builds, and other kits, out of this cache."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = (cache / "lock").open("w")
    except OSError as error:
        raise KitError(f"The cache {cache} cannot be written ({error.strerror}); nothing was changed.") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another run in {cache} to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _workplace(directory: Path | None) -> Iterator[Path | None]:
    """An empty directory below `directory`, that is gone afterwards unless it was renamed."""
    if directory is None:
        yield None
        return
    try:
        directory.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=".kit-", dir=directory))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise KitError(f"No space is left in {directory}; nothing was changed.") from error
        raise KitError(f"{directory} cannot be written ({error.strerror}); nothing was changed.") from error
    try:
        yield new
    finally:
        shutil.rmtree(new, ignore_errors=True)
