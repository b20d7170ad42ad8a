# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters that shape a room's data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.typed import to_be_named
from ansible_collections.istio_games.workshop.plugins.plugin_utils.filters import explained
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import kubeconfig
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import room
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.addressed import addressed


def typed_for(said: str, name: str, student: Any = None) -> str:
    """Give a sentence with whose place is meant in each command, and the room, where another one would be meant.

    Args:
        name: the room's.
        student: as it was typed; None for the room's own place.
    """
    students = student if isinstance(student, (list, tuple)) else () if student is None else (student,)
    theirs = ",".join(str(each).replace(" ", "") for each in students)
    return str(addressed(said, theirs, lambda: to_be_named(name)))


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
            typed_for,
        )
        return {function.__name__: explained(function) for function in functions}
