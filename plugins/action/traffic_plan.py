# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plan the way to a stage. Documented in plugins/modules/traffic_plan.py."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import Objects
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.app_services import version_label
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import plan, stages


class ActionModule(WorkshopAction):
    """Thin: arguments in, `plan`, result out."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        since = time.time()
        asked = (given[name] for name in ("stage", "service", "weight", "version", "services", "namespace"))
        goals = stages.goals(*asked)
        live = plan.Live.read(self.api, Objects(self.api, say), given["namespace"])
        planned = plan.plan(goals, live, given["takeover"])
        if planned.problems:
            raise WorkshopError("\n".join(planned.problems))
        return {
            "plan": asdict(planned),
            "checks": [check for goal in goals for check in stages.checks(goal)],
            "mirrored": {goal.service: version_label(goal.candidate) for goal in goals if goal.stage == "mirror"},
            "since": since,
        }
