# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Show where services stand. Documented in plugins/modules/traffic_status.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import Objects
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say, show
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import foreign, status
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.expectation import View
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.live import Live
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.proxies import Proxies, ProxyError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.writer import Callee


class ActionModule(WorkshopAction):
    """Thin: reads, shapes by `status`, shows the table."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        namespace = given["namespace"]
        callees = [Callee.of(callee) for callee in given["callees"]]
        live = Live.read(self.api, Objects(self.api, say), namespace)
        pods = self.api.items(f"/api/v1/namespaces/{namespace}/pods")
        views: dict[str, dict[str, View]] = {}
        silent = []
        with Proxies(self.api, namespace, say).connected() as proxies:
            try:
                views = proxies.views([callee.anything for callee in callees])
            except ProxyError as error:
                silent.append(str(error))
        silent += proxies.silent.values()
        services = [
            status.service_status(
                callee.name, namespace, live, views, given["checks"], silent, foreign.labels_of(pods, callee.callers)
            )
            for callee in callees
        ]
        following = status.next_command(services, given["options"], {})
        if given["show"]:
            measured = [str(check["sentence"]) for check in given["checks"]]
            show(["", *status.table(services), "", *status.rules(services), *measured, f"Next: {following}", ""])
        told = {"schema": status.SCHEMA, "namespace": namespace, "services": services, "next": following}
        return {"status": told, "checks": status.checks(services, live)}
