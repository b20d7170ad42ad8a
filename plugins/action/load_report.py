# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ask the load client what became of its requests. Documented in plugins/modules/load_report.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.load_client import LoadClient, losses


class ActionModule(WorkshopAction):
    """Thin: arguments in, `LoadClient.report`, result out."""

    skipped_in_check_mode = "Nothing is asked in check mode."

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        report = LoadClient(self.api, given["namespace"], say).report(given["since"], given["held"])
        lost = losses(report)
        failure = {"failed": True, "msg": "\n".join(lost)} if lost and given["fail"] else {}
        return {"report": report, **failure}
