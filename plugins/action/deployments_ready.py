# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Wait for Deployments. Documented in plugins/modules/deployments_ready.py."""

from __future__ import annotations

import time
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.deployments import RolloutError, Rollouts
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say


class ActionModule(ActionBase):
    """Thin: arguments in, `Rollouts`, result out."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset({"kubeconfig", "namespace", "names", "timeout"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(
            {
                "kubeconfig": {"type": "path", "required": True},
                "namespace": {"type": "str", "required": True},
                "names": {"type": "list", "elements": "str", "required": True},
                "timeout": {"type": "int", "default": 180},
            }
        )
        if self._task.check_mode:
            return result | {"changed": False, "skipped": True, "msg": "Nothing is rolled out in check mode."}
        started = time.monotonic()
        try:
            rollouts = Rollouts(
                Api.connect(arguments["kubeconfig"]),
                arguments["namespace"],
                say=say,
            )
            rollouts.wait(arguments["names"], arguments["timeout"])
        except (RolloutError, KubernetesError) as error:
            return result | {"failed": True, "msg": str(error)}
        return result | {"changed": False, "seconds": round(time.monotonic() - started, 1)}
