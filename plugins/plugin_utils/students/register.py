# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which places a room has: read from the cluster, where each student's namespace bears its name and state."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import ROOM, is_managed
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.places import Place
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import sleeping

# The label that names the student, on each object of a place.
STUDENT = sleeping.STUDENT
_NOTED = ("state", "cause", "made", "expires", "node", "page")


def read(api: Api, room: str, namespace: str, state_dir: str) -> list[Place]:
    """Give a room's places: its own first, then those of students by name.

    Args:
        namespace: of the room's own place.
        state_dir: the room's directory on the controller.
    """
    students = api.items("/api/v1/namespaces", labelSelector=f"{ROOM}={room},{STUDENT}")
    found = (place_of(item, state_dir) for item in students if is_managed(item) and _is_its_own(item))
    return [places.of_room(namespace, state_dir), *sorted(found, key=lambda place: place.name)]


def _is_its_own(item: Mapping[str, Any]) -> bool:
    """Tell whether a namespace bears its own name: whose label somebody has written is nobody's, and no directory."""
    metadata = item["metadata"]
    return bool(metadata["labels"][STUDENT] == metadata["name"] and places.NAME.fullmatch(metadata["name"]))


def place_of(item: Mapping[str, Any], state_dir: str) -> Place:
    """Give the place that a namespace is; one that bears no state was never finished, and one that goes is none."""
    place = places.of_student(item["metadata"]["labels"][STUDENT], state_dir)
    if item["metadata"].get("deletionTimestamp"):
        return places.changed(place, cause="Its namespace is being deleted.")
    kept = {name: value for name, value in sleeping.noted(item).items() if name in _NOTED}
    if kept.get("state") not in places.STATES:
        kept.pop("state", None)
    return places.changed(place, **kept)


def note(api: Api, place: Place) -> None:
    """Write a place's state on its namespace; of one that is on its way, since when."""
    fields = {name: str(getattr(place, name)) for name in _NOTED}
    if place.state == "making":
        fields[sleeping.SINCE] = datetime.now(UTC).strftime(sleeping.TIME)
    sleeping.note(api, place.namespace, fields)
