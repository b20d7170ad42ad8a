# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Try who reaches whom. Documented in plugins/modules/connection_check.py."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.connections import (
    REACHED,
    REFUSED,
    SPEAK,
    Caller,
    ConnectionCheckError,
    Connections,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say

CALLER = {
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "labels": {"type": "dict", "default": {}},
    "targets": {"type": "list", "elements": "str", "required": True},
    "speak": {"type": "str", "choices": list(SPEAK), "default": SPEAK[0]},
    "meshed": {"type": "bool", "default": False},
    "expect": {"type": "str", "choices": [REACHED, REFUSED], "required": True},
}


class ActionModule(ActionBase):
    """Thin: arguments in, `Connections`, result out."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset({"kubeconfig", "namespace", "image", "callers", "timeout"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(
            {
                "kubeconfig": {"type": "path", "required": True},
                "namespace": {"type": "str", "required": True},
                "image": {"type": "str", "required": True},
                "callers": {"type": "list", "elements": "dict", "options": CALLER, "required": True},
                "timeout": {"type": "int", "default": 120},
            }
        )
        if self._task.check_mode:
            return result | {"changed": False, "skipped": True, "msg": "No pod is started in check mode."}
        callers = [Caller(**{**caller, "targets": tuple(caller["targets"])}) for caller in arguments["callers"]]
        try:
            connections = Connections(
                Api.connect(arguments["kubeconfig"]),
                arguments["namespace"],
                arguments["image"],
                say=say,
            )
            results = connections.check(callers, arguments["timeout"])
        except (ConnectionCheckError, KubernetesError) as error:
            return result | {"failed": True, "msg": str(error)}
        return result | {"changed": False, "connections": results}
