# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of a cache is of other pins than a project's, and no room of this user's uses: said, and removed when asked."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit import KitError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_reader import read_manifest
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.store import discard


@dataclass(frozen=True)
class Superseded:
    """Bundles, parts and pulled kits that others have taken the place of, with the parts' records and kits' manifests.

    What a killed run has left half made is among them.

    Attributes:
        paths: the directories and files.
        size: bytes that they take, and nothing else.
    """

    paths: tuple[Path, ...]
    size: int

    def remove(self) -> None:
        """Remove them; nobody else must be in the cache."""
        for path in self.paths:
            if path.is_dir() and not path.is_symlink():
                discard(path)
            else:
                path.unlink(missing_ok=True)


def superseded(
    cache: Path, bundles: Collection[str], parts: Collection[str], go_caches: Collection[str] = ()
) -> Superseded:
    """Find what is superseded, of this user's: what others have put there is theirs.

    Args:
        bundles: keys of the bundles that stay.
        parts: names of the parts' directories that stay.
        go_caches: names of Go's own caches, where they do not.
    """
    found = [
        *(path for path in _own(cache / "bundles") if path.name not in bundles),
        *(path for path in _own(cache / "parts") if path.name.removesuffix(".json") not in parts),
        # What a killed run was building, replacing, unpacking or compiling.
        *(path for path in _own(cache / "building") if path.name != "logs"),
        *(path for path in _own(cache) if path.name.startswith(".kit-") or path.name in go_caches),
        *_pulled(cache / "kits/pulled", bundles),
    ]
    if any(path.parent.name == "bundles" for path in found):
        # Whose bundle goes is not said; a manifest of one that stays is written again when its kit is taken.
        found += [path for path in _own(cache / "kits") if path.suffix == ".json"]
    return Superseded(tuple(sorted(found)), _freed(found))


def of_rooms(cache: Path, links: Collection[Path]) -> set[str]:
    """Name the bundles of a cache that rooms use, by the links to them."""
    targets = [link.parent / link.readlink() for link in links if link.is_symlink()]
    # A cache may have been named by another path when a room was made.
    place = os.path.realpath(cache / "bundles")
    return {target.name for target in targets if os.path.realpath(target.parent) == place}


def _pulled(directory: Path, bundles: Collection[str]) -> Iterator[Path]:
    """What came from a registry: kits of other bundles, and what is no whole kit."""
    stay = set()
    for kit in _own(directory):
        if kit.suffix == ".kit":
            with suppress(KitError):
                if read_manifest(kit).bundle in bundles:
                    stay.add(kit.stem)
    yield from (path for path in _own(directory) if path.name.partition(".")[0] not in stay)


def _own(directory: Path) -> Iterator[Path]:
    if directory.is_dir():
        yield from (path for path in directory.iterdir() if path.lstat().st_uid == os.geteuid())


def _freed(paths: Iterable[Path]) -> int:
    """The bytes that are free when these are gone: a file that a bundle and a part share is there once."""
    links: Counter[int] = Counter()
    entries: dict[int, os.stat_result] = {}
    for path in paths:
        for file in (path, *(() if path.is_symlink() else path.rglob("*"))):
            entry = file.lstat()
            if not stat.S_ISDIR(entry.st_mode):
                links[entry.st_ino] += 1
                entries[entry.st_ino] = entry
    return sum(entry.st_blocks * 512 for number, entry in entries.items() if links[number] == entry.st_nlink)
