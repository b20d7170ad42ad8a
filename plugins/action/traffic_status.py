# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Show where services stand. Documented in plugins/modules/traffic_status.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import Objects
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say, show
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import status
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.look import look
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.proxies import Proxies
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.writer import Callee


class ActionModule(WorkshopAction):
    """Thin: reads, shapes by `status`, shows the table."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        namespace = given["namespace"]
        callees = [Callee.of(callee) for callee in given["callees"]]
        proxies = Proxies(self.api, namespace, say)
        services, live = look(self.api, Objects(self.api, say), proxies, namespace, callees, given["checks"])
        following = status.next_command(services, status.options(given["service"], given["version"]), {})
        if given["show"]:
            measured = [str(check["sentence"]) for check in given["checks"]]
            show(["", *status.table(services), "", *status.rules(services), *measured, f"Next: {following}", ""])
        told = {"schema": status.SCHEMA, "namespace": namespace, "services": services, "next": following}
        return {"status": told, "checks": status.checks(services, live)}
