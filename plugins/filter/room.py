# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters that shape a room's data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.filters import explained
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import kubeconfig
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import room


class FilterModule:
    """Filters of rooms."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name them."""
        functions = (
            room.content_digest,
            room.join_ticket,
            room.kubeconfig_address,
            kubeconfig.no_proxy,
            room.node_addresses,
            room.node_problems,
            room.published_ports,
            room.room_kubeconfig,
        )
        return {function.__name__: explained(function) for function in functions}
