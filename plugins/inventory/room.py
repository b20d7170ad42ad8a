# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The nodes of a room, as it remembers them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible.inventory.data import InventoryData
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.utils.vars import load_extra_vars

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.typed import OWN_INVENTORY, room_defaults
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.inventory import beside
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.rooms import (
    Record,
    RoomError,
    Rooms,
    state_directory,
)

DOCUMENTATION = r"""
name: room
short_description: The nodes that a room was made with
description:
  - Reads the inventory that C(make up) was given for the room that C(-e workshop_name) names, or that is the only one.
  - With no such room, or one that was given none, reads the collection's own, with one container node on this machine.
  - The variable C(room_inventory) of all hosts has the sources of that inventory, none for the collection's own.
options:
  plugin:
    description: This plugin's name.
    type: str
    required: true
    choices: [istio_games.workshop.room]
author: The workshop's maintainers
"""

EXAMPLES = r"""
plugin: istio_games.workshop.room
"""


class InventoryModule(BaseInventoryPlugin):
    """Takes everything over from the room's own inventory."""

    NAME = "istio_games.workshop.room"

    def verify_file(self, path: str) -> bool:
        """Say whether a file may configure this plugin."""
        return bool(super().verify_file(path)) and Path(path).suffix in (".yml", ".yaml")

    def parse(self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True) -> None:
        """Fill the inventory."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        name, sources = _room(loader)
        found = InventoryManager(loader=loader, sources=list(sources) or [str(OWN_INVENTORY)])
        for group in found.groups.values():
            inventory.add_group(group.name)
            self._set(group.name, group.vars | beside(found, loader, group))
        for group in found.groups.values():
            for child in group.child_groups:
                inventory.add_child(group.name, child.name)
            for host in group.hosts:
                inventory.add_host(host.name, group.name)
        for host in found.hosts.values():
            inventory.add_host(host.name)
            self._set(host.name, host.vars | beside(found, loader, host))
        self._set("all", {"room_inventory": list(sources)})
        if name and "workshop_name" not in found.groups["all"].vars:
            # For addresses that hold it, also where no playbook has given the host its room's settings yet.
            self._set("all", {"workshop_name": name})

    def _set(self, entity: str, variables: dict[str, Any]) -> None:
        for name, value in variables.items():
            self.inventory.set_variable(entity, name, value)


def _room(loader: DataLoader) -> tuple[str | None, tuple[str, ...]]:
    """Name the room that is meant, and its inventory's sources. What is wrong with either, room_check says."""
    rooms = Rooms(state_directory(os.environ), str(room_defaults(loader)["workshop_name"]))
    given = load_extra_vars(loader).get("workshop_name")
    try:
        name = rooms.choose(None if given is None else str(given), "make")
        return name, (rooms.record(name) or Record()).inventory
    except RoomError:
        return None, ()
