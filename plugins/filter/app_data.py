# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters that shape an application's data for its templates; the logic is in plugin_utils/room/app_services.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.filters import explained
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import app_services


class FilterModule:
    """Filters of applications' data."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name them."""
        return {
            "app_image_references": explained(app_services.image_references),
            "app_builds": explained(app_services.builds),
            "app_deployments": explained(app_services.deployments),
            "app_services": explained(app_services.kubernetes_services),
            "app_claims": explained(app_services.claims),
            "app_policies": explained(app_services.policies),
            "app_of_student": explained(app_services.of_student),
            "app_mesh_checks": explained(app_services.mesh_checks),
            "app_connection_checks": explained(app_services.connection_checks),
        }
