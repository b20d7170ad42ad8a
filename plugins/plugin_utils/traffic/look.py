# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One look at the cluster and at the calling proxies, from which `status` describes the services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import Objects
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import foreign, status
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.expectation import View
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.live import Live
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.proxies import Proxies, ProxyError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.writer import Callee


def caller_labels(api: Api, namespace: str, callees: Sequence[Callee]) -> dict[str, list[Mapping[str, str]]]:
    """Give the labels of the pods that call each service."""
    pods = api.items(f"/api/v1/namespaces/{namespace}/pods")
    return {callee.name: list(foreign.labels_of(pods, callee.callers)) for callee in callees}


def look(
    api: Api,
    objects: Objects,
    proxies: Proxies,
    namespace: str,
    callees: Sequence[Callee],
    checks: Sequence[Mapping[str, Any]] = (),
) -> tuple[list[dict[str, Any]], Live]:
    """Describe services as they are now (docs/status.md), and give what was seen of the cluster.

    Proxies that cannot be asked are named in `silent`, and hinder nobody.

    Args:
        checks: results of `LoadClient.measure`.

    Raises:
        WorkshopError: the API server does not answer.
    """
    live = Live.read(api, objects, namespace)
    views: dict[str, dict[str, View]] = {}
    silent = []
    with proxies.connected():
        try:
            views = proxies.views([callee.anything for callee in callees])
        except ProxyError as error:
            silent.append(str(error))
    silent += proxies.silent.values()
    labels = caller_labels(api, namespace, callees)
    services = [
        status.service_status(callee.name, namespace, live, views, checks, silent, labels[callee.name])
        for callee in callees
    ]
    return services, live
