# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compare a bundle with its lock. Documented in plugins/modules/bundle_verify.py."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import contract
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say


class ActionModule(WorkshopAction):
    """Thin: a path in, `verify`, figures out; what was remembered of a bundle that is refused is forgotten."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        path = Path(os.path.realpath(given["bundle"]))  # which takes a circle of links, too
        try:
            contract.verify(path, progress=lambda text: say(f"bundle: {text}"))
        except BundleError as error:
            if given["stamp"] and not self.check_mode:
                # A disk that loses bits leaves sizes and times as they were, by which make up would believe it.
                with suppress(OSError):
                    Path(given["stamp"]).unlink(missing_ok=True)
            raise BundleError(f"{error} Type make up, which makes it again.") from error
        lock = contract.read(path)
        return {"path": str(path), "files": len(lock.files), "size": lock.size}
