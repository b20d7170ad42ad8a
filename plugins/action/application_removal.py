# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Remove a room's applications. Documented in plugins/modules/application_removal.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import removal
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.waiting import Waiting
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say


class ActionModule(WorkshopAction):
    """Thin: looks, plans, carries the plan out."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        names, with_others = given["namespaces"], given["with_others"]
        cluster = removal.Cluster.read_applications(self.api, self.room, names, with_others)
        made = removal.plan_applications(cluster, self.room, names, with_others)
        self.result |= {"removed": made.removals(), "stays": made.stays}
        if not self.check_mode and made.removals():
            self.result["changed"] = True
            removal.remove_objects(made, self.api)
            removal.remove_namespaces(made, self.api, Waiting(self.api, say), given["timeout"])
        return {"changed": bool(made.removals())}
