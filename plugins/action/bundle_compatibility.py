# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""See whether a room may take a bundle. Documented in plugins/modules/bundle_compatibility.py."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import compatibility, recipes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.assembly import identity


class ActionModule(WorkshopAction):
    """Thin: what runs and what is offered in, a sentence out."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        running = compatibility.running_versions(Path(given["link"]))
        running = compatibility.with_api(running, given["kubernetes"])
        compatibility.refuse_half_an_upgrade(running, identity(recipes.load(Path(given["supply"]))))
        return {"running": running}
