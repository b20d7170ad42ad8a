# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""See whose everything is that is about to be written. Documented in plugins/modules/ownership.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import claims, mesh_claims
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.namespaces import wait_for_leaving
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.waiting import Waiting
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say


class ActionModule(WorkshopAction):
    """Thin: waits for what is leaving, reads, judges, one sentence for each thing that is somebody else's."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        wanted = claims.Claims.of(given["claims"])
        if not self.check_mode:
            names = [claim.name for claim in wanted.namespaces]
            if wanted.installs_mesh:
                names.append(given["mesh_namespace"])
            wait_for_leaving(self.api, Waiting(self.api, say), names)
        cluster = claims.Cluster.read(self.api, wanted, given["mesh_namespace"])
        asker = claims.Asker(
            room=self.room,
            exclusive=given["exclusive"],
            use_existing_mesh=given["use_existing_mesh"],
            mesh_revision=given["mesh_revision"],
            pod_security=given["pod_security"],
        )
        found = claims.problems(wanted, cluster, asker)
        if found:
            raise WorkshopError("\n".join(found), problems=found)
        used = given["use_existing_mesh"] and (wanted.installs_mesh or wanted.on_mesh)
        return {"remarks": list(mesh_claims.remarks(cluster.mesh, given["mesh_revision"])) if used else []}
