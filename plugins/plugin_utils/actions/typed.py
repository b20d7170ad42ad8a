# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was typed, and the room that it means: what room_check, room_settings and room_record have in common."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from ansible import context
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import trust_as_template
from ansible.utils.vars import load_extra_vars

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.arguments import plain
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import changes, kinds, names
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.inventory import concerns_room, own_variables
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.rooms import Record, Rooms, state_directory

NAME = "istio_games.workshop"
COLLECTION = Path(__file__).resolve().parents[3]
ROLES = COLLECTION / "roles"
ROOM_INVENTORY = COLLECTION / "inventory" / "room.yml"
# The nodes of a room that was made without one.
OWN_INVENTORY = COLLECTION / "inventory" / "local" / "hosts.yml"


@cache
def room_defaults(loader: DataLoader) -> dict[str, Any]:
    """Read the settings' defaults (role `room`), once in a process: not to be changed. What is a template stays one."""
    found: dict[str, Any] = {}
    for path in sorted((ROLES / "room" / "defaults" / "main").glob("*.yml")):
        found |= loader.load_from_file(str(path), trusted_as_template=True)
    return found


def to_be_named(room: str) -> str:
    """Give a room's name where a command has to have it; empty where that room is meant without it."""
    return Rooms(state_directory(os.environ), str(room_defaults(DataLoader())["workshop_name"])).to_be_named(room)


class Typed:
    """One run of a playbook, as it was typed.

    Attributes:
        given: the extra variables (-e), of files too.
        rooms: the user's rooms.
    """

    def __init__(self, loader: DataLoader, task_vars: Mapping[str, Any]) -> None:
        self.loader = loader
        self.task_vars = task_vars
        self.given: dict[str, Any] = load_extra_vars(loader)
        self.rooms = Rooms(state_directory(os.environ), str(self.defaults["workshop_name"]))

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """Every setting's default."""
        return room_defaults(self.loader)

    @cached_property
    def options(self) -> dict[str, Mapping[str, Any]]:
        """Every role's options."""
        return names.role_options(ROLES)

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """The sources of the room's inventory; none if it is the collection's own (whatever that has found)."""
        found = self.task_vars.get("room_inventory", self.task_vars.get("ansible_inventory_sources", ()))
        given = tuple(str(plain(source)) for source in found or ())
        sources = tuple(source for source in given if len(given) == 1 or concerns_room(self.loader, source))
        return () if sources == (str(OWN_INVENTORY),) else sources

    def inventory_problems(self) -> list[str]:
        """Give a sentence if the inventory is no room's."""
        remembered = self.task_vars.get("room_inventory") or ()
        lost = [str(source) for source in remembered if "," not in source and not Path(source).exists()]
        if lost:
            return [f"The room's inventory, {lost[0]}, isn't there any more: say with -i where it is now."]
        groups = self.task_vars["groups"]
        if not {"controller", "control_plane"} <= set(groups):
            return [
                "The inventory has no groups controller and control_plane: name one that has with -i, such as "
                f"-i {ROOM_INVENTORY} (one container node on this machine, or whatever your room has)."
            ]
        if len(groups["controller"]) != 1 or self._connection(groups["controller"][0]) != "local":
            return [
                f"The inventory's group controller holds {', '.join(groups['controller']) or 'nothing'}, but must hold "
                "this machine alone: localhost with ansible_connection: local, as in inventory/machines.example.yml."
            ]
        parts = {*groups["control_plane"], *groups.get("workers", [])}
        if astray := sorted(parts ^ set(groups.get("nodes", []))):
            return [
                f"{', '.join(astray)} must be in the inventory's group nodes, and there in control_plane or workers: "
                "compare it with inventory/machines.example.yml."
            ]
        return []

    def _connection(self, host: str) -> str:
        return str(self.variables(host).get("ansible_connection", ""))

    def room_name(self) -> str:
        """Name the room that is meant, as -e, the inventory and the rooms that are there say, before any task.

        Raises:
            RoomError: there are several.
        """
        named = self.given.get("workshop_name", self.inventory_settings(["workshop_name"]).get("workshop_name"))
        return self.rooms.choose(None if named is None else str(named), "make")

    def variables(self, host: str) -> Mapping[str, Any]:
        """A host's variables, without those of the play."""
        found: Mapping[str, Any] = self.task_vars["hostvars"].raw_get(host)
        return found

    @cached_property
    def _lasting(self) -> set[str]:
        """Name what a room remembers: no argument of one run, whichever name it was given by."""
        passing = names.of_one_run(self.options).keys() | names.OF_PLAYBOOKS
        return changes.remembered_names(self.defaults, self.options) - passing

    @cached_property
    def remembered(self) -> tuple[dict[str, Any], list[str]]:
        """What a room is to remember of what was given, and what it is not, because it is a secret."""
        wanted = self._lasting
        paths = {name for name, option in self.options.items() if option.get("type") == "path"}
        return changes.to_remember(plain(self.given), wanted, paths)

    def record(self, name: str) -> Record:
        """What a room remembers."""
        return self.rooms.record(name) or Record()

    def unknown_names(self) -> list[str]:
        """Give a sentence for each name that nothing reads, in -e and in the inventory."""
        variables = {host: self.variables(host).keys() - self.given.keys() for host in self.task_vars["hostvars"]}
        found = names.unknown_in_inventory(variables, self.defaults)
        found += names.astray(self.given) + names.unread(self.given, self.playbooks) + names.without_value(self.given)
        found += names.spelled_out(self.given, self.playbooks, self.options)
        known = {*self.defaults, *self.options}
        if not names.unknown_given(self.given, known, ()):
            return found
        return names.unknown_given(self.given, known, self._inventory_names()) + found

    def mistaken_kinds(self) -> list[str]:
        """Give a sentence for each value, given with -e or in the inventory, that its option cannot take."""
        return kinds.problems(self.inventory_settings() | plain(self.given), self.options)

    @property
    def playbooks(self) -> list[str]:
        """The playbooks of this collection that were named on the command line, without their ending."""
        typed = [str(each) for each in context.CLIARGS.get("args") or ()]
        own = [each.removeprefix(f"{NAME}.") for each in typed if each.startswith(f"{NAME}.")]
        paths = [Path(each).resolve() for each in typed]
        return own + [path.stem for path in paths if path.parent in (COLLECTION, COLLECTION / "playbooks")]

    @cached_property
    def _inventory(self) -> InventoryManager:
        sources = list(self.task_vars.get("ansible_inventory_sources") or ())
        return InventoryManager(loader=self.loader, sources=sources)

    def _inventory_names(self) -> set[str]:
        hosts = self._inventory.get_hosts()
        return {name for host in hosts for name in own_variables(self._inventory, self.loader, host)}

    def inventory_settings(self, settings: Collection[str] | None = None) -> dict[str, Any]:
        """Give settings in the inventory, as far as they are values: these, or else all that a room could remember."""
        controller = self._inventory.get_host(self.task_vars["groups"]["controller"][0])
        own = own_variables(self._inventory, self.loader, controller)
        wanted = set(settings or self._lasting)
        return {name: plain(own[name]) for name in wanted & own.keys() if "{{" not in str(own[name])}


def templates(value: Any) -> Any:
    """Give a value whose text may be a template, as what is given with -e may."""
    if isinstance(value, Mapping):
        return {key: templates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [templates(item) for item in value]
    return trust_as_template(value) if isinstance(value, str) else value
