# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Removes what Podman holds of a room, found by its label alone."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.commands import run
from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.container_images import PREFIX
from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.firewall import (
    allowance_removals,
    keep_rooms_apart,
    saved_firewall,
)
from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.host_reader import LABEL, podman_strictly

ROOM_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,18}[a-z0-9])?")
# Containers hold the rest: they go first.
KINDS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("container", ("ps", "--all"), ("rm", "--force", "--time=0", "--volumes")),
    ("volume", ("volume", "ls"), ("volume", "rm", "--force")),
    ("network", ("network", "ls"), ("network", "rm", "--force")),
)
# On a busy machine a node's processes take longer to end than Podman waits for them.
STILL_ENDING, TRIES = "did not die within timeout", 3
SEED_IMAGE = f"{PREFIX}/seed"
IMAGE_LABEL = f"{LABEL}.image"


def name_of(item: Mapping[str, Any]) -> str:
    names = item.get("Names") or item.get("names") or []
    return str(item.get("Name") or item.get("name") or (names[0] if names else item.get("Id", item.get("id"))))


def unused_images(images: Iterable[Mapping[str, Any]], containers: Iterable[Mapping[str, Any]]) -> list[str]:
    """Node images that no container needs: rooms share them by content."""
    needed = {container.get("ImageID") for container in containers}
    return sorted(str(image["Id"]) for image in images if image["Id"] not in needed)


class PodmanRoom:
    """What Podman holds of the room `name`."""

    def __init__(self, name: str, *, dry_run: bool) -> None:
        # An empty label filter would find every room.
        if not ROOM_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no room's name.")
        self.name = name
        self.dry_run = dry_run

    def remove(self) -> list[str]:
        """Remove it. Returns what was removed, as `container workshop-worker-1`."""
        removed = []
        for kind, listing, removal in KINDS:
            found = [name_of(item) for item in podman_strictly(*listing, "--filter", f"label={LABEL}={self.name}")]
            self._podman(*removal, names=found)
            removed += [f"{kind} {name}" for name in found]
        for arguments in allowance_removals(saved_firewall("iptables"), self.name):
            removed.append(f"rule iptables {' '.join(arguments)}")
            if not self.dry_run:
                run("iptables", "-w", *arguments)
        # This room's networks are gone; those of others must stay apart.
        removed += keep_rooms_apart(dry_run=self.dry_run)
        seed = podman_strictly("image", "ls", "--filter", f"reference={SEED_IMAGE}:{self.name}")
        self._podman("rmi", names=[f"{SEED_IMAGE}:{self.name}"] if seed else [])
        images = podman_strictly("image", "ls", "--filter", f"label={IMAGE_LABEL}")
        # Without --force: an image that another room has begun to use in this moment stays.
        unused = unused_images(images, self._others())
        self._podman("rmi", names=unused)
        removed += [f"image {SEED_IMAGE}:{self.name}"] if seed else []
        return removed + [f"image {image[:12]}" for image in unused]

    def _others(self) -> list[dict[str, Any]]:
        """Containers that are not this room's; in a dry run its own are still there."""
        listed = podman_strictly("ps", "--all")
        return [item for item in listed if (item.get("Labels") or {}).get(LABEL) != self.name]

    def _podman(self, *command: str, names: list[str]) -> None:
        if not names or self.dry_run:
            return
        for _ in range(TRIES - 1):
            try:
                run("podman", *command, *names)
            except subprocess.CalledProcessError as error:
                if STILL_ENDING not in error.stderr:
                    raise
            else:
                return
        run("podman", *command, *names)
