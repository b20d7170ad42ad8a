# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters of the traffic stages; the logic is in plugin_utils/traffic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import stages


def traffic_callees(services: Sequence[Mapping[str, Any]], service: str = "") -> list[dict[str, Any]]:
    """Give the services that have stages, or the one of them, with port and callers."""
    return [
        {"name": name, "port": int(data["port"]), "callers": list(data["callers"])}
        for name, data in stages.staged_services(services).items()
        if not service or name == service
    ]


def subsets_by_service(retired: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """Give the subsets that a plan retires, by service."""
    result: dict[str, list[str]] = {}
    for each in retired:
        result.setdefault(each["service"], []).append(each["subset"])
    return result


class FilterModule:
    """Filters of the traffic stages."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name them."""
        return {
            "traffic_problems": stages.problems,
            "traffic_callees": traffic_callees,
            "subsets_by_service": subsets_by_service,
        }
