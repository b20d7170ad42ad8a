# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The objects of a place: what roles have rendered once for all students, with the name of one in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import labelled
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.places import Place
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.register import STUDENT
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.spreading import on_node

# What stands in the manifests for the student's name. No object can be named so, and none is applied with it.
TOKEN = "PLACE"
# A pod needs what is before it here, and is watched by it from its first moment on.
ORDER = (
    *("Namespace", "ResourceQuota", "LimitRange", "NetworkPolicy", "AuthorizationPolicy", "PeerAuthentication"),
    *("Sidecar", "ServiceAccount", "Role", "RoleBinding", "PersistentVolumeClaim", "Service", "Deployment"),
    "VirtualService",
)


def of_place(manifests: Iterable[Mapping[str, Any]], place: Place, room: str) -> list[dict[str, Any]]:
    """Give a place's objects in the order in which they are applied.

    Args:
        manifests: objects in which TOKEN stands for the student's name; those of the room's own place stay as they are.
        room: the room's name.

    Raises:
        WorkshopError: one of another kind than those in ORDER.
    """
    if place.own:
        return [labelled(item, room) for item in manifests]
    found = [_with_name(item, place.name) for item in manifests]
    if strange := sorted({item["kind"] for item in found} - {*ORDER}):
        raise WorkshopError(f"A place has {', '.join(strange)}, whose place in the order of its objects is not known.")
    if place.node:
        found = [on_node(item, place.node) if item["kind"] == "Deployment" else item for item in found]
    return sorted((_labelled(item, place, room) for item in found), key=lambda item: ORDER.index(item["kind"]))


def _labelled(item: Mapping[str, Any], place: Place, room: str) -> dict[str, Any]:
    ours = labelled(item, room)
    metadata = ours["metadata"]
    return {**ours, "metadata": {**metadata, "labels": {**metadata["labels"], STUDENT: place.name}}}


def _with_name(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _with_name(item, name) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_name(item, name) for item in value]
    return value.replace(TOKEN, name) if isinstance(value, str) else value
