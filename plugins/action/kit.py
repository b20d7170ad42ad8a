# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Take a kit into the bundle's cache. Documented in plugins/modules/kit.py."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import recipes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.builder import Builder
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_use import Source, Use
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.verified import verify_once
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say


class ActionModule(WorkshopAction):
    """Thin: arguments in, `Use`, result out."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        stamp = Path(given["stamp"]) if given["stamp"] else None
        verify = partial(verify_once, stamp=stamp, remember=not self.check_mode)
        project, cache = Path(given["project"]), Path(given["cache_dir"]).absolute()
        needed = Builder(recipes.load(project / "supply"), cache, self._say).key
        use = Use(project, cache, self._say, verify, bundle=needed)
        source = Source(given["kit"], given["key"], given["login"], given["ca"])
        taken = use.take(source, check_mode=self.check_mode)
        return {"changed": taken.changed, "path": str(taken.bundle)}

    @staticmethod
    def _say(text: str) -> None:
        say(f"kit: {text}")
