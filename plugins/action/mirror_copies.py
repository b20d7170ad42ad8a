# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Count the copies that mirrored versions get. Documented in plugins/modules/mirror_copies.py."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.mirror import Mirrors, Received
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.proxies import ProxyError


class ActionModule(ActionBase):
    """Thin: arguments in, `Mirrors`, result out."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset({"kubeconfig", "namespace", "subsets", "before", "sent"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(
            {
                "kubeconfig": {"type": "path", "required": True},
                "namespace": {"type": "str", "required": True},
                "subsets": {"type": "dict", "required": True},
                "before": {"type": "dict"},
                "sent": {"type": "dict", "default": {}},
            }
        )
        if self._task.check_mode:
            return result | {"changed": False, "skipped": True, "msg": "Nothing is mirrored in check mode."}
        subsets, sent = arguments["subsets"], {name: int(count) for name, count in arguments["sent"].items()}
        try:
            mirrors = Mirrors(Api.connect(arguments["kubeconfig"]), arguments["namespace"])
            if arguments["before"] is None:
                counts = mirrors.received(subsets)
            else:
                before = {name: Received(**count) for name, count in arguments["before"].items()}
                counts = mirrors.arrived(subsets, before, sent)
        except (KubernetesError, ProxyError) as error:
            return result | {"failed": True, "msg": str(error)}
        lost = [
            f"{name} {subsets[name]} received {counts[name].requests} copies of {number} requests: is the mirror in "
            "the callers' route, and is the version's pod ready?"
            for name, number in sent.items()
            if name in counts and counts[name].requests < number
        ]
        result |= {"changed": False, "copies": {name: asdict(count) for name, count in counts.items()}}
        return result | {"failed": True, "msg": " ".join(lost)} if lost else result
