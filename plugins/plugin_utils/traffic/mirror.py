# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Count the copies that a mirrored version gets.

They are counted where they arrive, in the statistics of the version's own proxies: who sends them drops their
answers and keeps no record of them for each subset.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.pods import is_ready
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.proxies import Admin

# What a proxy has passed on to its own application; the kubelet's probes do not come this way.
STATISTIC = r"^cluster\.inbound\|[^.]*\.upstream_rq_(completed|5xx)$"
STATISTICS = f"/stats?format=json&filter={STATISTIC}"
ARRIVAL_SECONDS = 10.0


@dataclass(frozen=True)
class Received:
    """Requests that a version's pods got, and how many of them it answered with an error of its own (5xx)."""

    requests: int = 0
    failed: int = 0

    def since(self, before: Received) -> Received:
        """Give what has come since then. A pod that started anew counts from zero."""
        return Received(max(self.requests - before.requests, 0), max(self.failed - before.failed, 0))


def of_statistics(statistics: Mapping[str, Any]) -> Received:
    """Read a proxy's answer to STATISTICS."""
    sums = {"completed": 0, "5xx": 0}
    for statistic in statistics.get("stats") or []:
        found = re.match(STATISTIC, str(statistic.get("name", "")))
        if found:
            sums[found[1]] += int(statistic.get("value", 0))
    return Received(sums["completed"], sums["5xx"])


class Mirrors:
    """Counts what versions of a namespace's services receive."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        sleep: Callable[[float], None] = time.sleep,
        connect: Callable[[Api, str, str], Admin] = Admin,
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._sleep = sleep
        self._connect = connect

    def received(self, subsets: Mapping[str, str]) -> dict[str, Received]:
        """Count what the ready pods of a version have received since they started, by service."""
        return {service: self._sum(self._pods(service, subset)) for service, subset in subsets.items()}

    def arrived(
        self, subsets: Mapping[str, str], before: Mapping[str, Received], sent: Mapping[str, int]
    ) -> dict[str, Received]:
        """Count what has arrived since `before`; waits some seconds for the last of the `sent` requests' copies."""
        deadline = time.monotonic() + ARRIVAL_SECONDS
        while True:
            counts = {
                service: count.since(before.get(service, Received()))
                for service, count in self.received(subsets).items()
            }
            if time.monotonic() >= deadline or all(counts[name].requests >= sent.get(name, 0) for name in counts):
                return counts
            self._sleep(0.5)

    def _pods(self, service: str, subset: str) -> list[str]:
        selector = f"app={service},version={subset}"
        pods = self._api.items(f"/api/v1/namespaces/{self._namespace}/pods", labelSelector=selector)
        return [str(pod["metadata"]["name"]) for pod in pods if is_ready(pod)]

    def _sum(self, pods: Sequence[str]) -> Received:
        requests = failed = 0
        for pod in pods:
            admin = self._connect(self._api, self._namespace, pod)
            try:
                count = of_statistics(admin.get(STATISTICS))
            finally:
                admin.close()
            requests, failed = requests + count.requests, failed + count.failed
        return Received(requests, failed)
