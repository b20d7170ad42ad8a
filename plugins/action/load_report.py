# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ask the load client what became of its requests. Documented in plugins/modules/load_report.py."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.pod_exec import ExecError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.load_client import LoadClient, losses


class ActionModule(ActionBase):
    """Thin: arguments in, `LoadClient.report`, result out."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset({"kubeconfig", "namespace", "since", "held", "fail"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(
            {
                "kubeconfig": {"type": "path", "required": True},
                "namespace": {"type": "str", "required": True},
                "since": {"type": "float", "required": True},
                "held": {"type": "float"},
                "fail": {"type": "bool", "default": True},
            }
        )
        if self._task.check_mode:
            return result | {"changed": False, "skipped": True, "msg": "Nothing is asked in check mode."}
        try:
            client = LoadClient(Api.connect(arguments["kubeconfig"]), arguments["namespace"], say)
            report = client.report(arguments["since"], arguments["held"])
        except (ExecError, KubernetesError) as error:
            return result | {"failed": True, "msg": str(error)}
        result |= {"changed": False, "report": report}
        lost = losses(report)
        return result | {"failed": True, "msg": "\n".join(lost)} if lost and arguments["fail"] else result
