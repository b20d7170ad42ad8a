# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell which places a command is for. Documented in plugins/modules/student_places.py."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import changing, making, register


class ActionModule(WorkshopAction):
    """Thin: reads the register, selects."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        there = register.read(self.api, self.room, given["namespace"], given["state_dir"])
        there = register.with_taken(self.api, self.room, there, given["state_dir"])
        if not self.check_mode:
            places.write(Path(given["state_dir"]) / places.CLASS_FILE, self.room, there)
        students = [place for place in there if not place.own]
        if given["purpose"] == "remove":
            there += changing.leftovers(given["state_dir"], [place.name for place in there])
        meant = places.meant(given["purpose"], given["student"], given["students"], there, given["state_dir"])
        if given["purpose"] == "make":
            # Who has typed a name may type another one. A numbered place fails alone, if its namespace is another's.
            typed = [place for place in meant if not places.is_numbered(place.name)]
            making.refuse_taken(self.api, typed, self.room)
        return {
            "places": [place.as_data() for place in meant],
            "students": [place.as_data() for place in students],
            "all": given["student"] is not None and places.is_everybody(given["student"]),
        }
