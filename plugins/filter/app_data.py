# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters that shape an application's data for its templates; the logic is in module_utils/app_services.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.istio_games.workshop.plugins.module_utils import app_services


def _explained(function: Callable[..., Any]) -> Callable[..., Any]:
    def filter_function(*arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except app_services.AppDataError as error:
            raise AnsibleFilterError(str(error)) from error

    return filter_function


class FilterModule:
    """Filters of applications' data."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name them."""
        return {
            "app_image_references": _explained(app_services.image_references),
            "app_builds": _explained(app_services.builds),
            "app_deployments": _explained(app_services.deployments),
            "app_services": _explained(app_services.kubernetes_services),
            "app_claims": _explained(app_services.claims),
            "app_policies": _explained(app_services.policies),
            "app_mesh_checks": _explained(app_services.mesh_checks),
            "app_connection_checks": _explained(app_services.connection_checks),
        }
