# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""See whether the cluster can be used. Documented in plugins/modules/cluster_access.py."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import KubernetesError


class ActionModule(WorkshopAction):
    """Thin: asks the API server one question that needs credentials."""

    # Asked often, and of clusters that are not there; but one on a busy laptop takes its time.
    patience = 15.0

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        try:
            # Unlike /version, this is answered to known users only.
            self.api.get("/api/v1/namespaces/default")
        except KubernetesError as error:
            to_be_made = self.check_mode and not Path(given["kubeconfig"]).exists()
            return {"failed": given["required"] and not to_be_made, "reachable": False, "msg": str(error)}
        version = str(self.api.get("/version").get("gitVersion", ""))
        return {"reachable": True, "server": self.api.server, "version": version}
