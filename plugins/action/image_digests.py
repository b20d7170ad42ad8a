# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look images up in a registry. Documented in plugins/modules/image_digests.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.registry.api import RegistryError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.images.images import MissingImageError


class ActionModule(WorkshopAction):
    """Thin: arguments in, `Images`, result out."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return {"digests": self.images(self.api).digests(given["images"])}
        except (MissingImageError, RegistryError) as error:
            if not self.check_mode:
                raise
            # What check mode would have built or deployed is not there yet.
            return {"digests": {}, "warnings": [str(error)]}
