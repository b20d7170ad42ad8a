# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters of the traffic stages; the logic is in plugin_utils/traffic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.filters import explained
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import arguments, stages


def traffic_callees(services: Sequence[Mapping[str, Any]], service: str | Sequence[str] = "") -> list[dict[str, Any]]:
    """Give the services that have stages, or those of them that are named, with port and callers."""
    staged = stages.staged_services(services)
    return [
        {"name": name, "port": int(staged[name]["port"]), "callers": list(staged[name]["callers"])}
        for name in arguments.named_services(service) or staged
    ]


def traffic_versions(services: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Give every version of each service that has stages."""
    return {name: stages.built_tags(data) for name, data in stages.staged_services(services).items()}


class FilterModule:
    """Filters of the traffic stages."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name them."""
        return {
            "traffic_problems": explained(arguments.problems),
            "traffic_callees": explained(traffic_callees),
            "traffic_versions": explained(traffic_versions),
        }
