# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters that shape a room's data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.istio_games.workshop.plugins.module_utils import room


def explained(function: Callable[..., Any]) -> Callable[..., Any]:
    """Turn what `function` says about its input into Ansible's error."""

    def call(*arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except (ValueError, OSError) as error:
            raise AnsibleFilterError(str(error)) from error

    return call


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        functions = (
            room.content_digest,
            room.join_ticket,
            room.kubeconfig_address,
            room.node_addresses,
            room.published_ports,
            room.room_kubeconfig,
        )
        return {function.__name__: explained(function) for function in functions}
