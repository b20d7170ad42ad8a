# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Measure how requests are split, and judge it. Documented in plugins/modules/split_check.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import split
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.load_client import Check, LoadClient


class ActionModule(WorkshopAction):
    """Thin: arguments in, `LoadClient.measure`, result out."""

    skipped_in_check_mode = "Nothing is sent in check mode."

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        checks = [Check(**{**check, "expect": split.percentages(check["expect"])}) for check in given["checks"]]
        measured = LoadClient(self.api, given["namespace"], say).measure(checks)
        wrong = [each["sentence"] for each in measured if each["verdict"] != split.HONOURED or each["failed"]]
        failure = {"failed": True, "msg": "\n".join(wrong)} if wrong and given["fail"] else {}
        return {"checks": measured, **failure}
