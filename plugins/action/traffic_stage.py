# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lead one or many applications to a stage. Documented in plugins/modules/traffic_stage.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import manifests
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.appliance import Paths
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say, show
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import handed_out, places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.places import Place
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import (
    credentials,
    objects,
    register,
    stages,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.holding import Hold
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.mending import Mending
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.queue import Say, side_by_side
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.command import (
    Asked,
    Command,
    Surroundings,
    shown,
)


class ActionModule(WorkshopAction):
    """Thin: arguments in, a `Command` a place, verdicts out."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        self._asked = Asked(*(given[name] for name in ("stage", "service", "weight", "version", "takeover", "anew")))
        meant, passed_over = stages.ready([stages.place(each) for each in given["places"]], given["all"], given["anew"])
        self._alone = len(meant) == 1
        self._diffs: dict[str, list[dict[str, str]]] = {}
        self._paths = Paths()
        if given["anew"]:
            self._paths.learn(self.api, [*manifests.objects(given["objects"]), *given["deployments"]])
        done = side_by_side(meant, self._lead, stages.Done.of, given["at_once"], say)
        show(stages.shown(done, shown) + passed_over)
        for each in done:
            if each.data and not self.check_mode:
                stages.write(f"{each.place.directory}/stage.json", each.data)
        result: dict[str, Any] = {
            "changed": any(each.data.get("objects") for each in done),
            "diff": [difference for each in meant for difference in self._diffs.get(each.name, ())],
            **({"verdict": done[0].data} if self._alone and done[0].data else {}),
        }
        if not meant[0].own:
            result["summary"] = stages.summary(done, given["stage"], passed_over)
            if not self.check_mode:
                stages.write(given["summary"], result["summary"])
        return stages.judged(result, done)

    def _lead(self, place: Place, tell: Say) -> dict[str, Any]:
        """Lead one place to the stage, after it was put right where that is asked for."""
        given = self._given
        api = self.api if self._alone else self.another_api()
        where = stages.surroundings(
            place,
            given,
            api,
            self.another_api(),  # the other connection says what is waited for
            self.images(api),
            self.room,
            self.check_mode,
            tell,
        )
        told, mended = list[str](), list[str]()
        if given["anew"] and not self.check_mode:
            with Hold(where.lease_api, place, "goto", self.room, tell):
                told, mended = self._mended(api, place, where)
        else:
            stages.still_ready(api, place, self.room, given["anew"])
        command = Command(self._asked, where)
        verdict = command.run()
        self._diffs[place.name] = command.diff
        verdict["told"], verdict["objects"] = [*told, *verdict["told"]], [*mended, *verdict["objects"]]
        return verdict

    def _mended(self, api: Api, place: Place, where: Surroundings) -> tuple[list[str], list[str]]:
        """Put a place right; give what is told of it, and the objects that are not what they were."""
        stages.still_ready(api, place, self.room, mend=True)
        whole = objects.of_place(manifests.objects(self._given["objects"]), place, self.room)
        own = (whole, where.manifests, where.services, where.images, where.copies, where.say)
        done = Mending(api, self._paths, place.namespace, *own).run()
        told = done.told
        if not place.own and f"ServiceAccount {handed_out.ACCOUNT}" in done.changed:
            self._renew(api, place)
            told.append("The kubeconfig is a new one: with the account, the old one's token was gone.")
        return told, [*done.changed, *done.removed]

    def _renew(self, api: Api, place: Place) -> None:
        admin = credentials.administrator(self._given["kubeconfig"])
        expires = credentials.hand_out(api, place, admin, self._given["hours"])
        register.note(api, places.changed(place, expires=expires))
