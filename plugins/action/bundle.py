# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make the bundle on the controller, with live progress. Documented in plugins/modules/bundle.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import recipes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.builder import Builder
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.process import end_with_parent
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say


class ActionModule(ActionBase):
    """Thin: arguments in, `Builder`, result out."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset({"supply", "cache_dir", "update_lock", "keep_go_caches"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(
            {
                "supply": {"type": "path", "required": True},
                "cache_dir": {"type": "path", "required": True},
                "update_lock": {"type": "bool", "default": False},
                "keep_go_caches": {"type": "bool", "default": False},
            }
        )
        end_with_parent()
        try:
            builder = Builder(
                recipes.load(Path(arguments["supply"])),
                Path(arguments["cache_dir"]).absolute(),
                say=lambda text: say(f"bundle: {text}"),
                update_lock=arguments["update_lock"],
                keep_go_caches=arguments["keep_go_caches"],
            )
            bundle = builder.ensure(check_mode=self._task.check_mode)
        except BundleError as error:
            return result | {"failed": True, "msg": str(error)}
        return result | {"changed": bundle.changed, "path": str(bundle.path), "built": bundle.built}
