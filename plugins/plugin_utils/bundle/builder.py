# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Making a bundle: parts from the cache or built, checked against the lock, put together under one content address.

The cache's layout (all of it may be deleted at any time while no build runs)::

    parts/NAME-KEY/    a built part, and beside it NAME-KEY.json, what it came out as
    bundles/KEY/       a bundle: bin/ cni/ images/ (OCI layout) wheels/ lock.json
    building/          what is being built, and the tools' logs
    go-mod/ go-build/  Go's own caches, deleted when a bundle is complete
"""

from __future__ import annotations

import dataclasses
import errno
import fcntl
import hashlib
import json
import os
import pwd
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.assembly import assemble, readable
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.contract import SCHEMA, Lock, read, sha256
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError, no_space
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.parts import (
    GoPart,
    Part,
    Workbench,
    all_parts,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.recipes import Recipes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.schedule import Schedule, minutes, needs
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.store import PartStore, shared_directory
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.verified import verify_once

# Bytes that building takes in the cache's file system: measured 16 GB with the Go parts, 2.5 GB without.
_NEEDED_WITH_GO = 17e9
_NEEDED_WITHOUT_GO = 3e9

# Tells backup programs, and our own teardown, that this is a cache (https://bford.info/cachedir/).
_CACHE_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# The bundle cache of the workshop. It may be deleted.\n"


@dataclasses.dataclass(frozen=True)
class Bundle:
    """A bundle in the cache.

    Attributes:
        path: its directory.
        changed: whether it was (or, in check mode, would be) made by this call.
        built: seconds by the name of each part that was built (check mode: 0).
    """

    path: Path
    changed: bool
    built: dict[str, float]


class Builder:
    """Makes bundles in one cache directory.

    Args:
        recipes: what to build.
        cache: the cache's root, made when missing.
        say: tells people about the progress, one line at a time.
        update_lock: write supply/lock.yml instead of checking against it.
        keep_go_caches: leave Go's caches for the next build (14 GB).
        stamp: where it is remembered that the bundle was verified; None: it is verified each time.
    """

    def __init__(
        self,
        recipes: Recipes,
        cache: Path,
        say: Callable[[str], None],
        update_lock: bool = False,
        keep_go_caches: bool = False,
        stamp: Path | None = None,
    ) -> None:
        self._recipes, self._cache, self._say = recipes, cache, say
        self._update_lock, self._keep_go_caches = update_lock, keep_go_caches
        self._stamp = stamp
        self._parts = all_parts(recipes)
        self._keys: dict[str, str] = {}
        for part in self._parts:
            self._keys[part.name] = part.key(self._keys)
        self._store = PartStore(cache / "parts", self._keys)

    @property
    def supply(self) -> str:
        """sha256 over everything that the bundle is made of: pins, recipes and the sums that Go's parts must have."""
        return hashlib.sha256(json.dumps([SCHEMA, self._keys, self._recipes.lock], sort_keys=True).encode()).hexdigest()

    @property
    def key(self) -> str:
        """The bundle's content address: 16 hexadecimal digits."""
        return self.supply[:16]

    @property
    def path(self) -> Path:
        """Where the bundle is, or will be."""
        return self._cache / "bundles" / self.key

    def directory(self, name: str) -> Path:
        """Where a part is, or will be."""
        return self._store.path(name)

    def missing(self) -> list[Part]:
        """The parts that have to be built, as far as names tell."""
        return [part for part in self._parts if not self._store.is_there(part.name)]

    def refusal(self) -> str | None:
        """Say in one sentence why the bundle in the cache cannot be used; None when it can.

        It is what its lock says, and its lock says that it was made of what we would make it of.
        """
        try:
            lock = read(self.path)
            if lock.supply != self.supply:
                return f"The bundle {self.path} was made of other pins, recipes or sums than this checkout has."
            if foreign := self._foreign(lock):
                return f"The bundle {self.path}: {foreign} is not what supply/lock.yml says."
            verify_once(self.path, self._stamp, self._say)
        except BundleError as error:
            return str(error)
        return None

    def _foreign(self, lock: Lock) -> str | None:
        """Name the first program for the nodes that Go's parts did not come out as."""
        sums = {value for part in self._recipes.lock.values() for value in part.values()}
        programs = ((name, file) for name, file in lock.files.items() if name.startswith(("bin/", "cni/")))
        return next((name for name, file in programs if file.sha256 not in sums), None)

    def ensure(self, check_mode: bool = False, otherwise: str = "") -> Bundle:
        """Return the bundle, verified, and made first where it is missing or not what it should be.

        Args:
            check_mode: tell what would be built, and build nothing.
            otherwise: why nothing may be built, and what to do, in one sentence; empty: it may be.

        Raises:
            BundleError: it cannot be made; what has been built stays for the next run.
        """
        refused = self.refusal()
        if not refused:
            self._tell_owner()
            return Bundle(self.path, changed=False, built={})
        if otherwise:
            raise BundleError(f"{refused} {otherwise}")
        if check_mode:
            return Bundle(self.path, changed=True, built={part.name: 0.0 for part in self.missing()})
        try:
            with self._locked():
                refused = self.refusal()
                if not refused:  # another run, which held the lock, has made it
                    return Bundle(self.path, changed=False, built={})
                built = self._make(refused)
        except OSError as error:
            raise BundleError(self._explained(error, refused)) from error
        if refused := self.refusal():
            raise BundleError(f"{refused} It has just been made: run the same command again, and look at the disk.")
        return Bundle(self.path, changed=True, built=built)

    def _explained(self, error: OSError, refused: str) -> str:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return no_space("bundle", self._existing_parent())
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return (
                f"{refused} It cannot be made, since {error.filename or self._cache} cannot be written: become the "
                "cache's owner, or name a cache of your own with -e workshop_cache_dir=/another/directory."
            )
        return f"bundle: {error.strerror}: {error.filename or self._cache}."

    def _make(self, refused: str) -> dict[str, float]:
        """Build what is missing or damaged, and put it together. Returns seconds by part."""
        self._say(f"{refused} It is made {'again' if self.path.exists() else 'from packages'}.")
        missing = self._missing_or_damaged()
        needed = self._check_space(missing)
        schedule = Schedule(missing, len(self._parts))
        self._say(
            f"{schedule}; it needs {needed / 1e9:.0f} GB in {self._cache} while it is built"
            + (f", and the network: {', '.join(needs(missing))}" if needs(missing) else "")
        )
        built = self._build_missing(missing, schedule)
        # First, since nobody comes back to a bundle that is there.
        if not self._keep_go_caches:
            self._drop_go_caches()
        self._assemble()
        return built

    def _missing_or_damaged(self) -> list[Part]:
        """The parts that have to be built; one that is there but is not what was built is named, and goes."""
        for part in self._parts:
            if not self._store.is_there(part.name):
                continue
            pinned = isinstance(part, GoPart) and not self._update_lock
            if fault := self._store.fault(part.name, self._recipes.lock.get(part.short_name, {}) if pinned else None):
                self._say(f"{fault} {part.name} is built again.")
                shutil.rmtree(self._store.path(part.name))
        return self.missing()

    def ensure_part(self, name: str) -> Path:
        """Return the directory of one part (for example "go cni"), built first with what it needs where missing."""
        wanted = {name}
        for part in reversed(self._parts):
            if part.name in wanted:
                wanted.update(part.needs)
        with self._locked():
            missing = [part for part in self.missing() if part.name in wanted]
            self._build_missing(missing, Schedule(missing, len(missing)))
        return self.directory(name)

    def _tell_owner(self) -> None:
        """Say whose the bundle is, if its owner is somebody who might change it."""
        owner = self.path.stat().st_uid
        if owner not in (0, os.geteuid()):
            self._say(
                f"{self._cache} is the cache of {_user(owner)}: its bundle was compared with its own lock and with "
                "supply/lock.yml, but stays theirs to change. Your own: -e workshop_cache_dir=/another/directory."
            )

    def _existing_parent(self) -> Path:
        return next(path for path in (self._cache, *self._cache.parents) if path.exists())

    def _check_space(self, missing: list[Part]) -> float:
        """Find too little space before anything is built. Returns the bytes that are needed."""
        needed = _NEEDED_WITHOUT_GO
        if any(isinstance(part, GoPart) for part in missing):
            go_caches = sum(_size(self._cache / name) for name in ("go-build", "go-mod"))
            needed = max(_NEEDED_WITH_GO - go_caches, needed)
        if shutil.disk_usage(self._cache).free < needed:
            raise BundleError(no_space("bundle", self._cache, needed))
        return needed

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other builds out of this cache."""
        shared_directory(self._cache)
        tag = self._cache / "CACHEDIR.TAG"
        if not tag.exists():
            tag.write_text(_CACHE_TAG)
            tag.chmod(0o644)
        # Two users may share a cache: a lock wants no right to write.
        with os.fdopen(os.open(self._cache / "lock", os.O_RDONLY | os.O_CREAT, 0o644)) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._say(f"waiting for another build in {self._cache} to end")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _build_missing(self, missing: list[Part], schedule: Schedule) -> dict[str, float]:
        """Build these parts, one after the other: each has its place in the cache as soon as it is complete."""
        built = {}
        for number, part in enumerate(missing, start=1):
            label = f"[{number}/{len(missing)}] {part.name} {part.version}"
            self._say(f"{label} ...")
            started = time.monotonic()
            workplace = self._cache / "building" / part.name.replace(" ", "-")
            shutil.rmtree(workplace, ignore_errors=True)
            self._build(part, workplace, schedule)
            if isinstance(part, GoPart):
                self._check_lock(part, workplace)
            readable(workplace)
            self._store.add(part.name, workplace)
            built[part.name] = round(time.monotonic() - started, 1)
            schedule.done(part.name, built[part.name])
            self._say(f"{label}: {built[part.name]:.0f} s; {schedule}")
        return built

    def _build(self, part: Part, directory: Path, schedule: Schedule) -> None:
        directory.mkdir(parents=True)
        started = time.monotonic()

        def tell(text: str) -> None:
            left = minutes(schedule.left(part.name, time.monotonic() - started))
            self._say(f"    {part.name}: {text} ({left} left in all)")

        logs = self._cache / "building" / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        bench = Workbench(
            directory=directory,
            log=logs / f"{part.name.replace(' ', '-')}.log",
            cache=self._cache,
            parts={need: self.directory(need) for need in part.needs},
            say=tell,
        )
        bench.log.write_bytes(b"")
        part.build(bench)

    def _check_lock(self, part: GoPart, directory: Path) -> None:
        """Compare what Go made with supply/lock.yml, or write it there."""
        made = {path.name: sha256(path) for path in sorted(directory.iterdir())}
        if self._update_lock:
            self._recipes.lock[part.short_name] = made
            text = yaml.safe_dump(self._recipes.lock, explicit_start=True)
            heading = "# sha256 of what the Go parts come out as, everywhere. Written by -e bundle_update_lock=true.\n"
            (self._recipes.supply / "lock.yml").write_text(text.replace("---\n", f"---\n{heading}", 1))
            return
        locked = self._recipes.lock.get(part.short_name, {})
        for name in sorted(made.keys() | locked.keys()):
            if made.get(name) != locked.get(name):
                raise BundleError(
                    f"{part.name}: {name} came out with sha256 {made.get(name)}, and supply/lock.yml has "
                    f"{locked.get(name)}: a source, the toolchain or a recipe differs from what was pinned. "
                    "If that is meant, type -e bundle_update_lock=true."
                )

    def _assemble(self) -> None:
        """Put the parts together and give the result its name at once."""
        self._say("putting the bundle together")
        new = self._cache / "building" / "bundle"
        shutil.rmtree(new, ignore_errors=True)
        assemble(self._recipes, self._parts, self.directory, self.supply, new)
        shared_directory(self.path.parent)
        if self.path.exists():
            self.path.rename(self._cache / "building" / f"refused-{time.time_ns()}")
        new.rename(self.path)
        for refused in (self._cache / "building").glob("refused-*"):
            shutil.rmtree(refused, ignore_errors=True)

    def _drop_go_caches(self) -> None:
        for name in ("go-build", "go-mod"):
            for path in (self._cache / name).glob("**/"):  # Go makes its module cache read-only
                path.chmod(0o755)
            shutil.rmtree(self._cache / name, ignore_errors=True)


def _size(directory: Path) -> int:
    """Bytes of all files below `directory`."""
    return sum(path.lstat().st_size for path in directory.rglob("*") if path.is_file())


def _user(uid: int) -> str:
    """A user's name, or number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
