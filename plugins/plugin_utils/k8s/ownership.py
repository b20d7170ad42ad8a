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
