# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Remove a room from a cluster that is not its own. Documented in plugins/modules/guest_removal.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import removal
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.mesh_install import Istioctl
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.waiting import Waiting
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say


class ActionModule(WorkshopAction):
    """Thin: looks, plans, carries the plan out."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        made = removal.plan(removal.Cluster.read(self.api, self.room, given["mesh_namespace"]), self.room)
        self.result |= {"removed": made.removals(), "stays": made.stays}
        if not self.check_mode and made.removals():
            self.result["changed"] = True
            istioctl = Istioctl(given["bin_dir"], given["kubeconfig"])
            removal.carry_out(made, self.api, istioctl, Waiting(self.api, say), given["timeout"])
        return {"changed": bool(made.removals())}
