# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters of a mesh; the logic is in plugin_utils/k8s/mesh_install.py and plugin_utils/k8s/claims.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.filters import explained
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import claims, mesh_install


class FilterModule:
    """Filters of the mesh, and of what an application claims of a cluster."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name them."""
        return {
            "app_cluster_claims": explained(claims.of_application),
            "mesh_pods_without_proxy": explained(mesh_install.without_proxy),
            "mesh_version_problems": explained(mesh_install.of_another_version),
        }
