# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read everything that the registry holds. Documented in plugins/modules/registry_check.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.registry.api import UnansweredError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.images.store import Store
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say


class ActionModule(WorkshopAction):
    """Thin: arguments in, `Registry.damages`, result out."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        try:
            if not self.check_mode:
                self.registry.wait(given["timeout"])
            found = self.registry.damages()
        except UnansweredError:
            if not self.check_mode:
                raise
            return {"damaged": {}}  # it is to be made
        broken = any(damage.broken for damage in found.values())
        if broken and not self.check_mode:
            Store(self.api, given["namespace"], say).clear_up()
        damaged = {reference: damage.sentence for reference, damage in found.items()}
        told = [f"{reference} in the registry is damaged: {sentence}." for reference, sentence in damaged.items()]
        return {"changed": broken, "damaged": damaged, "warnings": told, "msg": " ".join(told)}
