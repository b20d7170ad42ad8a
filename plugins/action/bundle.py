# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make the bundle on the controller, with live progress. Documented in plugins/modules/bundle.py."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import recipes, supply
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.builder import Builder
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.rooms import RoomError, Rooms, state_directory

# Of what is superseded: less is not worth a line.
WORTH_SAYING = 1e9  # bytes


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
        # In check mode a kit has brought nothing; that it would, was seen when it was looked at.
        otherwise = "" if self.check_mode and kit else supply.otherwise(given["origin"], kit)
        bundle = builder.ensure(self.check_mode, otherwise)
        if not bundle.changed:
            self._say(f"{bundle.path}: {supply.found(kit)}")
        pruned = self._prune(builder, given["prune"])
        return {"changed": bundle.changed or pruned, "path": str(bundle.path), "built": bundle.built}

    def _prune(self, builder: Builder, wanted: bool) -> bool:
        """Remove what is superseded, or else say how much there is of it. Returns whether something was removed."""
        try:
            rooms = Rooms(state_directory(os.environ), "").bundles()
            found = builder.superseded(rooms)
        except (RoomError, OSError):  # somebody's room cannot be read, or another run changes the cache meanwhile
            if wanted:
                raise
            return False
        size = (
            f"{found.size / 1e9:.1f} GB of other bundles and parts, or left by killed runs, which no room of yours uses"
        )
        if wanted and found.paths:
            self._say(f"{'would remove' if self.check_mode else 'removing'} {size}")
            if not self.check_mode:
                builder.prune(rooms)
        elif found.size > WORTH_SAYING:
            self._say(f"the cache has {size}: ansible-playbook playbooks/bundle.yml -e bundle_prune=true removes them")
        return wanted and bool(found.paths)

    @staticmethod
    def _say(text: str) -> None:
        say(f"bundle: {text}")
