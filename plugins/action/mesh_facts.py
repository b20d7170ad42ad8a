# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell what the mesh means for an application. Documented in plugins/modules/mesh_facts.py."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import NO_MESH, Objects
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import (
    ANNOTATION,
    mirrored_deployments,
    recorded_versions,
)


class ActionModule(ActionBase):
    """Thin: reads, shapes, result out."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset({"kubeconfig", "namespace", "mesh_namespace"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(
            {
                "kubeconfig": {"type": "path", "required": True},
                "namespace": {"type": "str", "required": True},
                "mesh_namespace": {"type": "str", "default": "istio-system"},
            }
        )
        try:
            api = Api.connect(arguments["kubeconfig"])
            items = Objects(api, say).list("VirtualService")
            mesh = api.find(f"/api/v1/namespaces/{arguments['mesh_namespace']}")
        except KubernetesError as error:
            if str(error) == NO_MESH:
                return result | {"changed": False, "mesh": "", "versions": {}, "mirrored": []}
            return result | {"failed": True, "msg": str(error)}
        annotations = ((mesh or {}).get("metadata") or {}).get("annotations") or {}
        mine = [item for item in items if item["metadata"]["namespace"] == arguments["namespace"]]
        return result | {
            "changed": False,
            "mesh": str(annotations.get(ANNOTATION + "mesh", "unknown")),
            "versions": recorded_versions(mine),
            "mirrored": mirrored_deployments(mine),
        }
