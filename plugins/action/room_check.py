# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find the room, and judge what was given. Documented in plugins/modules/room_check.py."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.typed import Typed
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import show
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import changes, handed_out, names
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.rooms import RoomError


class ActionModule(WorkshopAction):
    """Thin: arguments in, `Typed`, sentences out."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        purpose = given["purpose"]
        typed = Typed(self._loader, self.task_vars)
        if mistakes := typed.unknown_names() or typed.inventory_problems():
            raise RoomError("\n".join(mistakes))
        if mistakes := typed.mistaken_kinds():
            raise RoomError("\n".join(mistakes))
        named = self._templar.template(self.task_vars.get("workshop_name"))
        existing = self._templar.template(self.task_vars.get("workshop_kubeconfig", ""))
        # Where this user has no room, it is no instructor's machine: kubectl's own variable may say whose it is.
        handed = str(existing) or ("" if typed.rooms.names() else os.environ.get("KUBECONFIG", ""))
        if refused_to_students := handed_out.refusal(handed, *typed.playbooks[:1]):
            raise RoomError(refused_to_students)
        # An existing cluster is a room without a memory until `make up` has been there.
        name = typed.rooms.choose(None if named is None else str(named), "make" if existing else purpose)
        there = name in typed.rooms.names()
        if not there and purpose == "remove":
            show([typed.rooms.missing(name)])
        if name != typed.rooms.default and "workshop_name" not in typed.given:
            show([f"The room is {name}."])
        record = typed.rooms.record(name)
        kept, secret = typed.remembered
        found = changes.changes(kept, record, typed.defaults, typed.inventory_settings()) if record else []
        moved = changes.moved(record.inventory, typed.sources) if record else []
        begun = record is None or record.begun
        ports = typed.defaults["workshop_node_ports"]
        if refused := changes.refusals([*found, *moved], purpose, name, ports, begun):
            raise RoomError("\n".join(refused))
        lasting = purpose in ("make", "change") and not names.forgets(typed.playbooks, typed.given)
        if found or moved:
            kind = "The room {} changes" if lasting else "For this run alone, the room {} changes"
            show([kind.format(name) + ": " + ", ".join(map(str, [*found, *moved])) + "."])
        if secret and lasting:
            show([f"{', '.join(secret)}: not remembered, because it is a secret; give it again with the next command."])
        return {"name": name, "there": there, "changes": [dataclasses.asdict(change) for change in found]}
