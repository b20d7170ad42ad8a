# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which places a room has: read from the cluster, where each student's namespace bears its name and state."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import (
    ROOM,
    is_managed,
    is_ours,
    owner,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.places import Place
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import sleeping, throttling

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


def with_taken(
    api: Api,
    room: str,
    there: Sequence[Place],
    state_dir: str,
    failed: Mapping[str, str] = MappingProxyType({}),
    gone: Iterable[str] = (),
) -> list[Place]:
    """Give a room's places, and among them students without one, as failed: somebody else has the namespace, or none
    could be made.

    Nothing can be noted there, so that `class.json` alone remembers them; each is looked at anew. Whose namespace was
    somebody else's and has become free is none of them any more, nor is who has one, or was removed.

    Args:
        there: as `read` gives them.
        failed: who was to get one just now, and why that failed, besides those in the file; or who is to be removed.
        gone: who was removed just now.
    """
    known = {place.name for place in there} | {*gone}
    result = [*there]
    causes = _written(Path(state_dir) / places.CLASS_FILE, room)
    for name, cause in failed.items():
        causes[name] = cause or causes.get(name, "")
    for name in sorted(causes.keys() - known):
        place = places.of_student(name, state_dir)
        found = api.find(f"/api/v1/namespaces/{place.namespace}")
        said = not_its(found, place, room)
        if cause := said or (causes[name] if found is None else ""):
            result.append(places.changed(place, state="failed", cause=cause, taken=True, refused=not said))
    return sorted(result, key=lambda place: (not place.own, place.name))


def _written(path: Path, room: str) -> dict[str, str]:
    """Give the names in a room's class.json with the cause of each that was refused, whatever somebody has written."""
    try:
        data = json.loads(path.read_bytes())
        found = data["students"] if data["room"] == room else []
        causes = {str(each["name"]): str(each["cause"]) if each.get("refused") is True else "" for each in found}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}
    return {name: cause for name, cause in causes.items() if places.NAME.fullmatch(name)}


def not_its(found: Mapping[str, Any] | None, place: Place, room: str) -> str:
    """Say that a namespace is not this student's of this room; empty if it is, or is not there."""
    if found is None:
        return ""
    if not is_ours(found, room):
        return f"The namespace {place.namespace} is {owner(found)}: give the student another name, or remove it first."
    if (found["metadata"].get("labels") or {}).get(STUDENT) != place.name:
        return f"The namespace {place.namespace} is the room's own, and no student's: give the student another name."
    return ""


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
    return places.changed(place, **kept, throttled=throttling.throttled(item)[0])


def note(api: Api, place: Place) -> None:
    """Write a place's state on its namespace; of one that is on its way, since when."""
    fields = {name: str(getattr(place, name)) for name in _NOTED}
    if place.state == "making":
        fields[sleeping.SINCE] = sleeping.ago()
    sleeping.note(api, place.namespace, fields)
