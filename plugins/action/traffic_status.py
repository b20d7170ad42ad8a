# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Show where services stand, in one place or in many. Documented in plugins/modules/traffic_status.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say, show
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.places import Place
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import stages
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.queue import Say, side_by_side
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import status, survey
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.addressed import addressed
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.writer import Callee


class ActionModule(WorkshopAction):
    """Thin: a `survey` a place, table, files."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        meant, passed_over = stages.ready([stages.place(each) for each in given["places"]], given["all"])
        self._alone = len(meant) == 1
        done = side_by_side(meant, self._look, stages.Done.of, given["at_once"], say)
        if given["show"]:
            told = stages.shown(done, lambda data: survey.shown(data["status"]))
            show(told + passed_over + stages.over(meant) + stages.slow(meant))
            for each in done:
                if each.data:
                    stages.write(f"{each.place.directory}/status.json", each.data["status"])
        result: dict[str, Any] = {"status": done[0].data["status"]} if self._alone and done[0].data else {}
        if not meant[0].own:
            result["summary"] = stages.summary(done, "verify" if given["judge"] else "status", passed_over)
            stages.write(given["summary"], result["summary"])
        return stages.judged(result, done)

    def _look(self, place: Place, tell: Say) -> dict[str, Any]:
        given = self._given
        api = self.api if self._alone else self.another_api()
        told = survey.survey(
            api,
            place.namespace,
            [Callee.of(callee) for callee in given["callees"]],
            tell,
            measure=given["measure"] and not self.check_mode,
            options=status.options(given["service"], given["version"]),
        )
        told = addressed(told, place.student)
        faults = status.faults(told["services"]) if given["judge"] else []
        verdict = {"verdict": stages.FAULTY if faults else stages.SEEN, "reasons": faults}
        return {"status": told, "services": told["services"], **verdict}
