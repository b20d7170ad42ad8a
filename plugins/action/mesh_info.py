# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell what the mesh means for an application. Documented in plugins/modules/mesh_info.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import MissingKindError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import Objects
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import PREFIX
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import (
    mirrored_deployments,
    recorded_versions,
)


class ActionModule(WorkshopAction):
    """Thin: reads, shapes, result out."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        try:
            items = Objects(self.api, say).list("VirtualService")
        except MissingKindError:
            return {"mesh": "", "versions": {}, "mirrored": []}
        mesh = self.api.find(f"/api/v1/namespaces/{given['mesh_namespace']}") or {}
        annotations = mesh.get("metadata", {}).get("annotations") or {}
        mine = [item for item in items if item["metadata"]["namespace"] == given["namespace"]]
        return {
            "mesh": str(annotations.get(PREFIX + "mesh", "unknown")),
            "versions": recorded_versions(mine),
            "mirrored": mirrored_deployments(mine),
        }
