# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Wait until versions get no requests any more. Documented in plugins/modules/proxies_drained.py."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.proxies import Proxies
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.writer import Callee


class ActionModule(WorkshopAction):
    """Thin: arguments in, `Proxies.drained`, result out."""

    skipped_in_check_mode = "Nothing is drained in check mode."

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        started = time.monotonic()
        callees = [Callee.of(callee).anything for callee in given["callees"]]
        with Proxies(self.api, given["namespace"], say).connected() as proxies:
            proxies.drained(given["subsets"], callees, given["timeout"])
        return {"seconds": round(time.monotonic() - started, 1)}
