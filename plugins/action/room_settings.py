# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Give a host the settings of its room. Documented in plugins/modules/room_settings.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.typed import Typed, templates
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import changes

ROOT_CONNECTIONS = ("local", "containers.podman.podman")


class ActionModule(WorkshopAction):
    """Thin: asks `Typed`, and hands Ansible the host as add_host does."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        typed = Typed(self._loader, self.task_vars)
        host = given["host"] or str(self.task_vars["inventory_hostname"])
        known = typed.variables(host)
        named = self._templar.template(self.task_vars.get("workshop_name"))
        # room_check has judged whether it is there.
        name = typed.rooms.choose(None if named is None else str(named), "make")
        record = typed.record(name)
        settings = typed.defaults | templates(record.settings) | {"workshop_name": name}
        # The inventory is read for each host, so only where something was given against it.
        kept = changes.kept(record, typed.inventory_settings()) if record.overridden else {}
        missing = {
            key: value
            for key, value in settings.items()
            if key not in known or (key in kept and key not in typed.given)
        }
        if known.get("ansible_connection") in ROOT_CONNECTIONS:
            # Root already, and there is no sudo in a container: -b is for machines.
            missing["ansible_become"] = False
        return {"add_host": {"host_name": host, "groups": [], "host_vars": missing | {"room_is_known": True}}}
