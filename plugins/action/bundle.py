# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make the bundle on the controller, with live progress. Documented in plugins/modules/bundle.py."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import recipes, supply
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.builder import Builder
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say


class ActionModule(WorkshopAction):
    """Thin: arguments in, `Builder`, result out."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        kit = given["kit"]
        builder = Builder(
            recipes.load(Path(given["supply"]), given["debian_mirror"]),
            Path(given["cache_dir"]).absolute(),
            say=self._say,
            update_lock=given["update_lock"],
            keep_go_caches=given["keep_go_caches"],
            stamp=Path(given["stamp"]) if given["stamp"] else None,
        )
        bundle = builder.ensure(self.check_mode, supply.otherwise(given["origin"], kit))
        if not bundle.changed:
            self._say(f"{bundle.path}: {supply.found(kit)}")
        return {"changed": bundle.changed, "path": str(bundle.path), "built": bundle.built}

    @staticmethod
    def _say(text: str) -> None:
        say(f"bundle: {text}")
