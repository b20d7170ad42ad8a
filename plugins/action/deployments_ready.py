# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Wait for Deployments. Documented in plugins/modules/deployments_ready.py."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.deployments import Rollouts
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say


class ActionModule(WorkshopAction):
    """Thin: arguments in, `Rollouts`, result out."""

    skipped_in_check_mode = "Nothing is rolled out in check mode."

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        started = time.monotonic()
        Rollouts(self.api, given["namespace"], say=say).wait(given["names"], given["timeout"])
        return {"seconds": round(time.monotonic() - started, 1)}
