# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Try who reaches whom. Documented in plugins/modules/connection_check.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.connections import Caller, Connections
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say


class ActionModule(WorkshopAction):
    """Thin: arguments in, `Connections`, result out."""

    skipped_in_check_mode = "No pod is started in check mode."

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        callers = [Caller(**{**caller, "targets": tuple(caller["targets"])}) for caller in given["callers"]]
        connections = Connections(self.api, given["namespace"], given["image"], say=say, room=self.room)
        return {"connections": connections.check(callers, given["timeout"])}
