# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write routing objects and wait for every calling proxy. Documented in plugins/modules/mesh_routes.py."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import Objects
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.proxies import Proxies
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.writer import Callee, Writer


class ActionModule(WorkshopAction):
    """Thin: arguments in, `Writer`, result out."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        writer = Writer(Objects(self.api, say), Proxies(self.api, given["namespace"], say))
        written = writer.write(
            given["definitions"],
            given["remove"],
            [Callee.of(callee) for callee in given["callees"]],
            exact=given["exact"],
            takeover=given["takeover"],
            copies=Path(given["copies"]) if given["copies"] else None,
            timeout=given["timeout"],
            check_mode=self.check_mode,
        )
        return {
            "changed": bool(written.changed),
            "objects": written.changed,
            "diff": written.diff,
            "proxies": written.proxies,
            "propagation_ms": round(1000 * max(written.proxies.values(), default=0)),
            "held": time.time(),
        }
