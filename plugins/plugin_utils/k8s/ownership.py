# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose an object is: the labels, annotations and the field manager of what this project makes, written once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# The field manager of our writes, and the value of the label on everything that we make.
MANAGER = "istio-workshop"
MANAGED_BY = "app.kubernetes.io/managed-by"
# What our own labels and annotations begin with.
PREFIX = "workshop.istio-games/"
# The label that names the room.
ROOM = f"{PREFIX}room"


def owner_labels(room: str) -> dict[str, str]:
    """Give the labels of everything that we make; `room` is empty where nobody has named one."""
    return {MANAGED_BY: MANAGER, **({ROOM: room} if room else {})}


def labelled(item: Mapping[str, Any], room: str) -> dict[str, Any]:
    """Give an object with our labels. Its pods do not get them, since a label that changes would replace them.

    >>> labelled({"kind": "Service", "metadata": {"name": "front", "labels": {"app": "front"}}}, "blue")["metadata"]
    ... # doctest: +NORMALIZE_WHITESPACE
    {'name': 'front', 'labels': {'app': 'front', 'app.kubernetes.io/managed-by': 'istio-workshop',
     'workshop.istio-games/room': 'blue'}}
    """
    metadata = item.get("metadata") or {}
    return {**item, "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), **owner_labels(room)}}}


def is_managed(item: Mapping[str, Any]) -> bool:
    """Tell whether this project has made an object.

    >>> is_managed({"metadata": {"labels": {"app.kubernetes.io/managed-by": "istio-workshop"}}})
    True
    """
    return bool((item["metadata"].get("labels") or {}).get(MANAGED_BY) == MANAGER)


def other_writers(item: Mapping[str, Any]) -> list[str]:
    """Name the field managers besides ours that have written something of an object's spec."""
    return sorted(
        {
            str(entry.get("manager"))
            for entry in item["metadata"].get("managedFields") or []
            if entry.get("manager") != MANAGER
            and not entry.get("subresource")
            and "f:spec" in (entry.get("fieldsV1") or {})
        }
    )


def is_ours(item: Mapping[str, Any], room: str) -> bool:
    """Tell whether a room has made an object; one of a time when rooms were not named on objects counts as everyone's.

    >>> blue = {"metadata": {"labels": owner_labels("blue")}}
    >>> is_ours(blue, "blue"), is_ours(blue, "green"), is_ours({"metadata": {"labels": owner_labels("")}}, "green")
    (True, False, True)
    """
    return is_managed(item) and (item["metadata"].get("labels") or {}).get(ROOM, room) == room


def owner(item: Mapping[str, Any]) -> str:
    """Say whose an object is, as far as it tells.

    >>> owner({"metadata": {"labels": owner_labels("blue")}})
    'of the room blue'
    >>> owner({"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}})
    'managed by Helm'
    >>> owner({"metadata": {"managedFields": [{"manager": "kubectl-create"}]}})
    'made with kubectl-create'
    """
    labels = item["metadata"].get("labels") or {}
    if is_managed(item):
        return f"of the room {labels[ROOM]}" if ROOM in labels else "of a workshop"
    if MANAGED_BY in labels:
        return f"managed by {labels[MANAGED_BY]}"
    writers = [entry.get("manager") for entry in item["metadata"].get("managedFields") or [] if entry.get("manager")]
    return f"made with {writers[0]}" if writers else "somebody else's"
