# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Apply manifests. Documented in plugins/modules/manifests.py."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import manifests


class ActionModule(ActionBase):
    """Thin: says once what every use of kubernetes.core.k8s has in common."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = True
    _VALID_ARGS = frozenset({"kubeconfig", "manifests"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, given = self.validate_argument_spec(
            {
                "kubeconfig": {"type": "path", "required": True},
                "manifests": {"type": "list", "elements": "raw", "required": True},
            }
        )
        result |= self._execute_module(
            module_name="kubernetes.core.k8s",
            module_args=manifests.arguments(given["kubeconfig"], given["manifests"], check_mode=self._task.check_mode),
            task_vars=task_vars,
        )
        # Of several objects the module shows no difference.
        result["diff"] = manifests.differences(result)
        errors = manifests.errors(result)
        return result | {"failed": True, "msg": "\n".join(errors)} if errors else result
