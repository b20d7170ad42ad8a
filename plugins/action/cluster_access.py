# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""See whether the cluster can be used. Documented in plugins/modules/cluster_access.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError


class ActionModule(ActionBase):
    """Thin: asks the API server one question that needs credentials."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset({"kubeconfig", "required"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(
            {"kubeconfig": {"type": "path", "required": True}, "required": {"type": "bool", "default": True}}
        )
        kubeconfig = arguments["kubeconfig"]
        try:
            api = Api.connect(kubeconfig)
            # Unlike /version, this is answered to known users only.
            api.get("/api/v1/namespaces/default")
        except KubernetesError as error:
            to_be_made = self._task.check_mode and not Path(kubeconfig).exists()
            failed = arguments["required"] and not to_be_made
            return result | {"failed": failed, "reachable": False, "msg": str(error)}
        return result | {"changed": False, "reachable": True, "server": api.server}
