# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Variables of an inventory, without those of a play or of -e."""

from __future__ import annotations

from typing import Any

from ansible.inventory.group import Group
from ansible.inventory.helpers import get_group_vars
from ansible.inventory.host import Host
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.plugins import get_vars_from_inventory_sources

from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.names import OTHER_PROGRAMS


def beside(manager: InventoryManager, loader: DataLoader, entity: Host | Group) -> dict[str, Any]:
    """Give the variables of a host or group in the files group_vars and host_vars beside an inventory."""
    found: dict[str, Any] = get_vars_from_inventory_sources(loader, manager._sources, [entity], "task")
    return found


def concerns_room(loader: DataLoader, source: str) -> bool:
    """Tell whether an inventory's source has a host, or a variable that is not another program's (molecule, AWX).

    Those programs hand such a source to every play besides the room's own, from another directory each time.
    """
    manager = InventoryManager(loader=loader, sources=[source])
    groups = list(manager.groups.values())
    found = {name for group in groups for name in {**group.vars, **beside(manager, loader, group)}}
    return bool(manager.hosts) or any(not name.startswith(OTHER_PROGRAMS) for name in found)


def own_variables(manager: InventoryManager, loader: DataLoader, host: Host) -> dict[str, Any]:
    """Give all variables that an inventory has for a host, groups' too."""
    found: dict[str, Any] = dict(get_group_vars(host.get_groups()))
    for entity in (*host.get_groups(), host):
        found |= beside(manager, loader, entity)
    found |= host.vars
    return found
