# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Making a bundle: parts from the cache or built, checked against the lock, put together under one content address.

The cache's layout (all of it may be deleted at any time while no build runs)::

    parts/NAME-KEY/    a built part, and beside it NAME-KEY.json, what it came out as
    bundles/KEY/       a bundle: bin/ cni/ images/ (OCI layout) wheels/ sbom/ lock.json
    building/          what is being built, and the tools' logs
    go-mod/ go-build/  Go's own caches, deleted when all of its parts are built
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pwd
import shutil
import stat
import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from pathlib import Path

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.assembly import assemble
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.building import GO_CACHES, Building
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.contract import SCHEMA, Lock, read
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError, unusable
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.parts import (
    GoPart,
    Part,
    all_parts,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.recipes import Recipes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.schedule import Schedule, needs
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.store import (
    PartStore,
    locked,
    shared_directory,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.superseded import (
    Superseded,
    of_rooms,
    superseded,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.verified import verify_once


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
        keep_go_caches: leave Go's caches for the next build (8 GB).
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
        self._stamp, self._remember = stamp, True
        self._parts = all_parts(recipes)
        self._keys: dict[str, str] = {}
        for part in self._parts:
            self._keys[part.name] = part.key(self._keys)
        self._store = PartStore(cache / "parts", self._keys)
        self._building = Building(recipes, cache, self._store, say, update_lock)

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

    def superseded(self, rooms: Collection[Path]) -> Superseded:
        """What of the cache is neither this bundle's nor of a room.

        Args:
            rooms: rooms' links to their bundles.
        """
        bundles = {self.key, *of_rooms(self._cache, rooms)}
        parts = {self.directory(part.name).name for part in self._parts}
        return superseded(self._cache, bundles, parts, () if self._keep_go_caches else GO_CACHES)

    def prune(self, rooms: Collection[Path]) -> Superseded:
        """Remove that.

        Raises:
            BundleError: the cache cannot be written.
        """
        try:
            with self._locked():
                found = self.superseded(rooms)
                found.remove()
        except OSError as error:
            raise BundleError(f"Nothing can be removed: {unusable(error, self._cache)}") from error
        return found

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
            verify_once(self.path, self._stamp, self._say, self._remember)
        except BundleError as error:
            return str(error)
        except OSError as error:  # another run gives it another place meanwhile, or the disk is broken
            return f"The bundle {self.path} cannot be read ({error.strerror}: {error.filename})."
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
        self._remember = not check_mode
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
            raise BundleError(f"{refused} It cannot be made: {unusable(error, self._cache)}") from error
        if refused := self.refusal():
            raise BundleError(f"{refused} It has just been made: run the same command again, and look at the disk.")
        return Bundle(self.path, changed=True, built=built)

    def _make(self, refused: str) -> dict[str, float]:
        """Build what is missing or damaged, and put it together. Returns seconds by part."""
        self._say(f"{refused} It is made {'again' if self.path.exists() else 'from packages'}.")
        missing = self._missing_or_damaged()
        needed = self._building.needed(missing)
        schedule = Schedule(missing, len(self._parts))
        self._say(
            f"{schedule}; it needs {needed / 1e9:.0f} GB in {self._cache} while it is built"
            + (f", and the network: {', '.join(needs(missing))}" if needs(missing) else "")
        )
        built = self._building.build(missing, schedule, self._keep_go_caches)
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
            elif isinstance(part, GoPart) and self._update_lock:
                self._building.check_lock(part, self._store.path(part.name))
        return self.missing()

    def ensure_part(self, name: str) -> Path:
        """Return the directory of one part (for example "go cni"), built first with what it needs where missing."""
        wanted = {name}
        for part in reversed(self._parts):
            if part.name in wanted:
                wanted.update(part.needs)
        with self._locked():
            missing = [part for part in self.missing() if part.name in wanted]
            self._building.build(missing, Schedule(missing, len(missing)), keep_go_caches=True)
        return self.directory(name)

    def _tell_owner(self) -> None:
        """Say who might change the bundle: its owner, or everybody."""
        owner = self.path.stat().st_uid
        if owner not in (0, os.geteuid()):
            self._say(
                f"{self._cache} is the cache of {_user(owner)}: its bundle was compared with its own lock and with "
                "supply/lock.yml, but stays theirs to change. Your own: -e workshop_cache_dir=/another/directory."
            )
        for directory in (self.path, self.path.parent, self._cache):
            mode = directory.stat().st_mode
            if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
                self._say(
                    f"everybody on this machine may write {directory}, and put another bundle into the place of "
                    f"what was compared: type chmod o-w {directory}, or -e workshop_cache_dir=/another/directory."
                )

    def _locked(self) -> AbstractContextManager[None]:
        """Keep other runs out of this cache."""
        return locked(self._cache, self._say)

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


def _user(uid: int) -> str:
    """A user's name, or number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
