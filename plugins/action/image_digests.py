# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look images up in a registry. Documented in plugins/modules/image_digests.py."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.istio_games.workshop.plugins.module_utils.registry.api import (
    MissingImageError,
    Registry,
    RegistryError,
    digests,
)


class ActionModule(ActionBase):
    """Thin: arguments in, `digests`, result out."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset({"registry", "images"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(
            {
                "registry": {"type": "str", "required": True},
                "images": {"type": "list", "elements": "str", "required": True},
            }
        )
        try:
            found = digests(Registry(arguments["registry"]), arguments["images"])
        except (MissingImageError, RegistryError) as error:
            if self._task.check_mode:
                # What check mode would have built or deployed is not there yet.
                return result | {"changed": False, "digests": {}, "warnings": [str(error)]}
            return result | {"failed": True, "msg": str(error)}
        return result | {"changed": False, "digests": found}
