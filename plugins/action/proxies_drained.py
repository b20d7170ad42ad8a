# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Wait until versions get no requests any more. Documented in plugins/modules/proxies_drained.py."""

from __future__ import annotations

import time
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.proxies import Proxies, ProxyError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.writer import CALLEE, Callee


class ActionModule(ActionBase):
    """Thin: arguments in, `Proxies.drained`, result out."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset({"kubeconfig", "namespace", "callees", "subsets", "timeout"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(
            {
                "kubeconfig": {"type": "path", "required": True},
                "namespace": {"type": "str", "required": True},
                "callees": {"type": "list", "elements": "dict", "options": CALLEE, "required": True},
                "subsets": {"type": "dict", "required": True},
                "timeout": {"type": "int", "default": 60},
            }
        )
        if self._task.check_mode:
            return result | {"changed": False, "skipped": True, "msg": "Nothing is drained in check mode."}
        started = time.monotonic()
        try:
            with Proxies(Api.connect(arguments["kubeconfig"]), arguments["namespace"], say).connected() as proxies:
                callees = [Callee.of(callee).anything for callee in arguments["callees"]]
                proxies.drained(arguments["subsets"], callees, arguments["timeout"])
        except (KubernetesError, ProxyError) as error:
            return result | {"failed": True, "msg": str(error)}
        return result | {"changed": False, "seconds": round(time.monotonic() - started, 1)}
