# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write routing objects and wait for every calling proxy. Documented in plugins/modules/mesh_routes.py."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import Objects
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.proxies import Proxies, ProxyError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.writer import CALLEE, Callee, Writer


class ActionModule(ActionBase):
    """Thin: arguments in, `Writer`, result out."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset(
        {"kubeconfig", "namespace", "definitions", "remove", "callees", "exact", "takeover", "copies", "timeout"}
    )

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(
            {
                "kubeconfig": {"type": "path", "required": True},
                "namespace": {"type": "str", "required": True},
                "definitions": {"type": "list", "elements": "dict", "required": True},
                "remove": {"type": "list", "elements": "dict", "default": []},
                "callees": {"type": "list", "elements": "dict", "options": CALLEE, "required": True},
                "exact": {"type": "bool", "default": False},
                "takeover": {"type": "bool", "default": False},
                "copies": {"type": "path"},
                "timeout": {"type": "int", "default": 60},
            }
        )
        try:
            api = Api.connect(arguments["kubeconfig"])
            writer = Writer(Objects(api, say), Proxies(api, arguments["namespace"], say))
            written = writer.write(
                _plain(arguments["definitions"]),
                _plain(arguments["remove"]),
                [Callee.of(callee) for callee in arguments["callees"]],
                exact=arguments["exact"],
                takeover=arguments["takeover"],
                copies=Path(arguments["copies"]) if arguments["copies"] else None,
                timeout=arguments["timeout"],
                check_mode=self._task.check_mode,
            )
        except (KubernetesError, ProxyError) as error:
            return result | {"failed": True, "msg": str(error)}
        return result | {
            "changed": bool(written.changed),
            "objects": written.changed,
            "diff": written.diff,
            "proxies": written.proxies,
            "propagation_ms": round(1000 * max(written.proxies.values(), default=0)),
            "held": time.time(),
        }


def _plain(value: Any) -> Any:
    """Give values without Ansible's tags, which YAML cannot write."""
    return json.loads(json.dumps(value))
