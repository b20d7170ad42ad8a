# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Apply manifests. Documented in plugins/modules/manifests.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import manifests
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.namespaces import wait_for_leaving
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.waiting import Waiting
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say


class ActionModule(WorkshopAction):
    """Thin: waits for namespaces that leave; says once what every use of kubernetes.core.k8s has in common."""

    _supports_diff = True

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        waiting = Waiting(self.api, say)
        if not self.check_mode:
            made = manifests.objects(given["manifests"])
            names = [item["metadata"]["name"] for item in made if item["kind"] == "Namespace"]
            wait_for_leaving(self.api, waiting, names)
        wanted = manifests.arguments(given["kubeconfig"], given["manifests"], self.room, live=self.api.find)
        applied = manifests.applied(self._run, wanted, waiting)
        # Of several objects the module shows no difference.
        applied["diff"] = manifests.differences(applied)
        errors = manifests.errors(applied, check_mode=self.check_mode)
        return applied | {"failed": True, "msg": "\n".join(errors)} if errors else applied

    def _run(self, arguments: dict[str, Any]) -> dict[str, Any]:
        done: dict[str, Any] = self._execute_module(
            module_name="kubernetes.core.k8s", module_args=arguments, task_vars=self.task_vars
        )
        return done
