# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""See that the door answers, and leads to the pages of places. Documented in plugins/modules/door_check.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.places import Place
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import proof, stages
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.queue import Say, side_by_side


class ActionModule(WorkshopAction):
    """Thin: the door, and a page a place, asked by `proof`."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        meant = [place for place in map(stages.place, given["places"]) if place.state == "ready" and not place.own]
        trusted = proof.trusting(given["ca_file"])
        proof.knock(given["url"], given["timeout"], trusted)

        def ask(place: Place, tell: Say) -> dict[str, Any]:
            proof.page_at_door(place, given["url"], given["timeout"], trusted)
            return {}

        done = side_by_side(meant, ask, stages.Done.of, given["at_once"], say)
        failed = stages.failure(done)
        return {"asked": [place.name for place in meant], **({"failed": True, "msg": failed} if failed else {})}
