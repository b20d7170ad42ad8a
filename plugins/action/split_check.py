# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Measure how requests are split, and judge it. Documented in plugins/modules/split_check.py."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.pod_exec import ExecError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import split
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.load_client import Check, LoadClient

CHECK = {
    "service": {"type": "str", "required": True},
    "name": {"type": "str", "required": True},
    "expect": {"type": "dict", "required": True},
    "headers": {"type": "dict", "default": {}},
    "requests": {"type": "int"},
}


class ActionModule(ActionBase):
    """Thin: arguments in, `LoadClient.measure`, result out."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset({"kubeconfig", "namespace", "checks", "fail"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(
            {
                "kubeconfig": {"type": "path", "required": True},
                "namespace": {"type": "str", "required": True},
                "checks": {"type": "list", "elements": "dict", "options": CHECK, "required": True},
                "fail": {"type": "bool", "default": True},
            }
        )
        if self._task.check_mode:
            return result | {"changed": False, "skipped": True, "msg": "Nothing is sent in check mode."}
        try:
            checks = [Check(**{**check, "expect": split.percentages(check["expect"])}) for check in arguments["checks"]]
            api = Api.connect(arguments["kubeconfig"])
            measured = LoadClient(api, arguments["namespace"], say).measure(checks)
        except (ExecError, KubernetesError, split.SplitError) as error:
            return result | {"failed": True, "msg": str(error)}
        result |= {"changed": False, "checks": measured}
        wrong = [each["sentence"] for each in measured if each["verdict"] != split.HONOURED or each["failed"]]
        return result | {"failed": True, "msg": "\n".join(wrong)} if wrong and arguments["fail"] else result
