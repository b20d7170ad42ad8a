# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Mounts below directories that are to be removed: removing a tree goes on into whatever is mounted in it."""

from __future__ import annotations

import dataclasses
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.commands import run

# What the kubelet and containerd mount for pods, with nothing in it that outlives a pod: volumes in memory (Secrets,
# projected tokens), containers' root file systems, their network namespaces and message queues.
OF_PODS = {"mqueue", "nsfs", "overlay", "proc", "sysfs", "tmpfs"}


class MountError(WorkshopError):
    """Something is mounted that must not be removed."""


@dataclasses.dataclass(frozen=True)
class Mount:
    """A mount, as /proc/self/mountinfo has it.

    Attributes:
        place: where it is mounted.
        root: what of the file system is mounted there; "/" is all of it.
        kind: the file system's type.
        source: what is mounted: a device, a share, or a word.
    """

    place: str
    root: str
    kind: str
    source: str

    def is_below(self, paths: Iterable[str]) -> bool:
        """Tell whether it is mounted at, or somewhere below, one of the paths."""
        return any(_is_below(self.place, path) for path in paths)

    def is_ours(self, paths: Iterable[str]) -> bool:
        """Tell whether nobody but a node can have mounted it: for pods, or a part of what is removed itself."""
        return self.kind in OF_PODS or (self.root != "/" and any(_is_below(self.root, path) for path in paths))


def parse(mountinfo: str) -> list[Mount]:
    """Read what /proc/self/mountinfo holds, in the order in which it was mounted."""
    found = []
    for line in mountinfo.splitlines():
        fields, _, others = line.partition(" - ")
        kind, source, *_ = others.split()
        _, _, _, root, place, *_ = fields.split()
        found.append(Mount(_plain(place), _plain(root), kind, _plain(source)))
    return found


def below(paths: Iterable[str]) -> list[Mount]:
    """Find the mounts at and below some paths, the innermost first."""
    wanted = [str(Path(path).resolve()) for path in paths]
    return [mount for mount in reversed(parse(Path("/proc/self/mountinfo").read_text())) if mount.is_below(wanted)]


def unmount(paths: Iterable[str], *, dry_run: bool) -> list[str]:
    """Unmount what a node has mounted at and below some paths. Returns the places.

    Raises:
        MountError: something else is mounted there, or is in use; nothing may be removed.
    """
    places, found = list(paths), below(paths)
    foreign = [mount for mount in found if not mount.is_ours(places)]
    if foreign:
        raise MountError(
            " ".join(
                f"{mount.place} is a mount of {mount.source} ({mount.kind}), whose files would be removed with it: "
                f"unmount it (umount {mount.place}), then run the same command again."
                for mount in foreign
            )
        )
    for mount in found if not dry_run else ():
        try:
            run("umount", mount.place)
        except subprocess.CalledProcessError as error:
            raise MountError(
                f"{mount.place} cannot be unmounted ({' '.join(error.stderr.split())}): "
                f"`fuser -vm {mount.place}` shows "
                "who uses it; end that, then run the same command again."
            ) from error
    return [mount.place for mount in found]


def _is_below(place: str, path: str) -> bool:
    return place == path or place.startswith(path.rstrip("/") + "/")


def _plain(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
