# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Building the parts that a cache lacks, with progress over the whole, each checked against the lock."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.contract import sha256
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError, no_space
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.parts import GoPart, Part, Workbench
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.recipes import Recipes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.schedule import Schedule
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.store import PartStore, discard, readable

# Go's own, in the cache's root.
GO_CACHES = ("go-build", "go-mod")
# Bytes that building takes in the cache's file system: measured 10 GB with the Go parts, 2.5 GB without.
_NEEDED_WITH_GO = 11e9
_NEEDED_WITHOUT_GO = 3e9


class Building:
    """What builds parts in one cache directory; nobody else must, meanwhile.

    Args:
        recipes: what to build; with `update_lock` its sums are brought up to date, and written to supply/lock.yml.
        cache: the cache's root.
        store: where the parts go.
        say: tells people about the progress, one line at a time.
        update_lock: write supply/lock.yml instead of checking against it.
    """

    def __init__(
        self, recipes: Recipes, cache: Path, store: PartStore, say: Callable[[str], None], update_lock: bool
    ) -> None:
        self._recipes, self._cache, self._store, self._say = recipes, cache, store, say
        self._update_lock = update_lock

    def needed(self, missing: list[Part]) -> float:
        """Bytes that these parts take in the cache's file system while they are built.

        Raises:
            BundleError: there is too little space, or this machine lacks what one of them takes.
        """
        for part in missing:
            part.check()
        needed = _NEEDED_WITHOUT_GO
        if any(isinstance(part, GoPart) for part in missing):
            go_caches = sum(_size(self._cache / name) for name in GO_CACHES)
            needed = max(_NEEDED_WITH_GO - go_caches, needed)
        if shutil.disk_usage(self._cache).free < needed:
            raise BundleError(no_space("bundle", self._cache, needed))
        return needed

    def build(self, missing: list[Part], schedule: Schedule, keep_go_caches: bool) -> dict[str, float]:
        """Build these parts, one after the other: each has its place in the cache as soon as it is complete.

        Args:
            keep_go_caches: leave Go's caches for the next build (8 GB).

        Returns:
            Seconds by part.
        """
        built = {}
        for number, part in enumerate(missing, start=1):
            label = f"[{number}/{len(missing)}] {part.name} {part.version}"
            self._say(f"{label} ...")
            started = time.monotonic()
            workplace = self._cache / "building" / part.name.replace(" ", "-")
            shutil.rmtree(workplace, ignore_errors=True)
            self._build_one(part, workplace, schedule)
            if isinstance(part, GoPart):
                self.check_lock(part, workplace)
            readable(workplace)
            self._store.add(part.name, workplace)
            built[part.name] = round(time.monotonic() - started, 1)
            schedule.done(part.name, built[part.name])
            self._say(f"{label}: {built[part.name]:.0f} s; {schedule}")
            # As soon as Go is done: the images that come after take as much as a gigabyte.
            if not keep_go_caches and not any(isinstance(later, GoPart) for later in missing[number:]):
                self._drop_go_caches()
        return built

    def _build_one(self, part: Part, directory: Path, schedule: Schedule) -> None:
        directory.mkdir(parents=True)
        started = time.monotonic()

        def tell(text: str) -> None:
            self._say(f"    {part.name}: {text} ({schedule.outlook(part.name, time.monotonic() - started)})")

        logs = self._cache / "building" / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        bench = Workbench(
            directory=directory,
            log=logs / f"{part.name.replace(' ', '-')}.log",
            cache=self._cache,
            parts={need: self._store.path(need) for need in part.needs},
            say=tell,
        )
        bench.log.write_bytes(b"")
        part.build(bench)

    def check_lock(self, part: GoPart, directory: Path) -> None:
        """Compare what a Go part came out as, in `directory`, with supply/lock.yml, or write it there."""
        made = {path.name: sha256(path) for path in sorted(directory.iterdir())}
        if self._update_lock:
            self._recipes.write_lock(part.short_name, made)
            return
        locked = self._recipes.lock.get(part.short_name, {})
        for name in sorted(made.keys() | locked.keys()):
            if made.get(name) != locked.get(name):
                raise BundleError(
                    f"{part.name}: {name} came out with sha256 {made.get(name)}, and supply/lock.yml has "
                    f"{locked.get(name)}: a source, the toolchain or a recipe differs from what was pinned. "
                    "If that is meant, type -e bundle_update_lock=true."
                )

    def _drop_go_caches(self) -> None:
        """Delete Go's own caches."""
        for name in GO_CACHES:
            discard(self._cache / name)


def _size(directory: Path) -> int:
    """Bytes of all files below `directory`."""
    return sum(path.lstat().st_size for path in directory.rglob("*") if path.is_file())
