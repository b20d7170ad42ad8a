# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Show where services stand. Documented in plugins/modules/traffic_status.py."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import Objects
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say, show
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import status
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.plan import Live
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.proxies import Proxies, ProxyError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.writer import CALLEE, Callee


class ActionModule(ActionBase):
    """Thin: reads, shapes by `status`, shows the table."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset(
        {"kubeconfig", "namespace", "callees", "checks", "proxies", "copies", "load", "options", "show"}
    )

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(
            {
                "kubeconfig": {"type": "path", "required": True},
                "namespace": {"type": "str", "required": True},
                "callees": {"type": "list", "elements": "dict", "options": CALLEE, "required": True},
                "checks": {"type": "list", "elements": "dict", "default": []},
                "proxies": {"type": "dict", "default": {}},
                "copies": {"type": "dict", "default": {}},
                "load": {"type": "dict", "default": {}},
                "options": {"type": "str", "default": ""},
                "show": {"type": "bool", "default": True},
            }
        )
        namespace = arguments["namespace"]
        callees = [Callee.of(callee) for callee in arguments["callees"]]
        try:
            api = Api.connect(arguments["kubeconfig"])
            live = Live.read(api, Objects(api, say), namespace)
            with Proxies(api, namespace, say).connected() as proxies:
                views = proxies.views([callee.anything for callee in callees])
        except (KubernetesError, ProxyError) as error:
            return result | {"failed": True, "msg": str(error)}
        services = [
            status.service_status(callee.name, namespace, live, views, arguments["checks"]) for callee in callees
        ]
        if arguments["show"]:
            proof = status.proof(arguments["checks"], arguments["proxies"], arguments["copies"], arguments["load"])
            following = status.next_command(services, arguments["options"], arguments["copies"])
            show(["", *status.table(services), "", *status.rules(services), *proof, f"Next: {following}", ""])
        return result | {"changed": False, "services": services, "checks": status.checks(services, live)}
