# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compare the room's mesh with the one that is wanted. Documented in plugins/modules/mesh_comparison.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.mesh import Mesh
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.mesh_install import Istioctl


class ActionModule(WorkshopAction):
    """Thin: asks what is installed, then what istioctl would change."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        installed = Mesh.read(self.api, given["mesh_namespace"]).identity(self.room)
        if installed != given["identity"]:
            return {"differences": [f"installed: {installed or 'nothing'}, wanted: {given['identity']}"]}
        return {"differences": Istioctl(given["bin_dir"], given["kubeconfig"]).differences(given["values"])}
