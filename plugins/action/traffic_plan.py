# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plan the way to a stage. Documented in plugins/modules/traffic_plan.py."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import Objects
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.app_services import version_label
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import plan, stages


class ActionModule(ActionBase):
    """Thin: arguments in, `plan`, result out."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset(
        {"kubeconfig", "namespace", "services", "stage", "service", "weight", "version", "takeover"}
    )

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(
            {
                "kubeconfig": {"type": "path", "required": True},
                "namespace": {"type": "str", "required": True},
                "services": {"type": "list", "elements": "dict", "required": True},
                "stage": {"type": "str", "choices": list(stages.STAGES), "required": True},
                "service": {"type": "str"},
                "weight": {"type": "int"},
                "version": {"type": "str"},
                "takeover": {"type": "bool", "default": False},
            }
        )
        since = time.time()
        namespace = arguments["namespace"]
        goals = stages.goals(
            arguments["stage"],
            arguments["service"],
            arguments["weight"],
            arguments["version"],
            arguments["services"],
            namespace,
        )
        try:
            api = Api.connect(arguments["kubeconfig"])
            live = plan.Live.read(api, Objects(api, say), namespace)
        except KubernetesError as error:
            return result | {"failed": True, "msg": str(error)}
        planned = plan.plan(goals, live, arguments["takeover"])
        if planned.problems:
            return result | {"failed": True, "msg": "\n".join(planned.problems)}
        return result | {
            "changed": False,
            "plan": asdict(planned),
            "checks": [check for goal in goals for check in stages.checks(goal)],
            "mirrored": {goal.service: version_label(goal.candidate) for goal in goals if goal.stage == "mirror"},
            "since": since,
        }
