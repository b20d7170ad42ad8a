# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters that read what kubernetes.core.k8s returns for several objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def _results(applied: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    result = applied.get("result") or {}
    return list(result.get("results") or []) if "results" in result else [applied]


def apply_errors(applied: Mapping[str, Any]) -> list[str]:
    """Give the errors of single objects, but for those of a namespace that check mode has not made."""
    errors = [item["error"] for item in _results(applied) if item.get("error")]
    return [str(error.get("msg", error)) for error in errors if error.get("reason") != "Not Found"]


def unbound_claims(applied: Mapping[str, Any]) -> list[str]:
    """Name the PersistentVolumeClaims that have no volume yet, so that nothing can have been stored."""
    objects = [item.get("result") or {} for item in _results(applied)]
    return [
        claim["metadata"]["name"]
        for claim in objects
        if claim.get("kind") == "PersistentVolumeClaim" and (claim.get("status") or {}).get("phase") == "Pending"
    ]


class FilterModule:
    """Filters of apply results."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name them."""
        return {"apply_errors": apply_errors, "unbound_claims": unbound_claims}
