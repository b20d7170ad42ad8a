# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell what the mesh means for an application. Documented in plugins/modules/mesh_info.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import MissingKindError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.mesh import INJECTION, Mesh
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import Objects
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import is_ours
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import (
    mirrored_deployments,
    recorded_versions,
)

POLICIES = "/apis/security.istio.io/v1/namespaces/{}/peerauthentications"


class ActionModule(WorkshopAction):
    """Thin: reads, shapes, result out."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        try:
            items = Objects(self.api, say).list("VirtualService")
        except MissingKindError:
            absent = {"mesh": "", "own": False, "namespace_labels": {}, "strict_everywhere": False}
            return {**absent, "versions": {}, "mirrored": []}
        mesh, revision = Mesh.read(self.api, given["mesh_namespace"]), given["revision"]
        identity = mesh.identity(self.room)
        # Without its injector the room's own mesh is about to be mended.
        labels = mesh.injection(revision) or INJECTION
        mine = [item for item in items if item["metadata"]["namespace"] == given["namespace"]]
        policy = self.api.find(f"{POLICIES.format(given['mesh_namespace'])}/default")
        return {
            "mesh": identity or f"existing-{mesh.revision_of(labels)}",
            "own": identity is not None,
            "namespace_labels": labels,
            "strict_everywhere": policy is not None and is_ours(policy, self.room),
            "versions": recorded_versions(mine),
            "mirrored": mirrored_deployments(mine),
        }
