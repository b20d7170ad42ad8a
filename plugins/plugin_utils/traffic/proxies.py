# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The callers' proxies: what each of them really holds, and waiting until all hold what they must.

istiod's own word (SYNCED) tells only that the last thing sent was acknowledged, and it sends some time after a
write. So each proxy's configuration is read through a port-forward to its admin interface, as istioctl does.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.connections import LABEL as CHECK_LABEL
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.pods import has_proxy, is_ready
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.port_forward import (
    PodUnreachableError,
    PortForward,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.outermost import Outermost
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.expectation import (
    Expectation,
    View,
    difference,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.routes import (
    Cluster,
    clusters,
    of_envoy,
    subset_of,
)

ADMIN_PORT = 15000
# Between two looks at a proxy that lacks something: ever longer, for a look costs processor on both sides.
POLL_SECONDS, LONGER, MOST_POLL_SECONDS = 0.02, 1.3, 0.3
# Between two looks at which pods there are, while waiting.
LOOK_SECONDS = 1.0
ROUTES = "/config_dump?resource=dynamic_route_configs"
CLUSTERS = "/clusters?format=json"


class ProxyError(WorkshopError):
    """A proxy cannot be asked, or does not hold what it must. The message is one sentence for people."""


class Admin:
    """One connection to the admin interface of a pod's Envoy."""

    def __init__(self, api: Api, namespace: str, pod: str) -> None:
        self._pod = pod
        try:
            self._forward = PortForward(api, namespace, pod, ADMIN_PORT)
        except PodUnreachableError as error:
            raise ProxyError(f"the proxy of pod {pod} cannot be asked: {str(error).rstrip('.')}") from error

    def get(self, path: str) -> dict[str, Any]:
        """Read JSON."""
        try:
            return dict(json.loads(self._forward.get(path)))
        except (PodUnreachableError, ValueError) as error:
            raise ProxyError(f"the proxy of pod {self._pod} did not answer: {str(error).rstrip('.')}") from error

    def close(self) -> None:
        """End the port-forward."""
        self._forward.close()


@dataclass
class Proxy:
    """A calling pod's proxy."""

    pod: str
    app: str
    # None while it cannot be asked.
    admin: Admin | None = None
    # What was lacking at the last look, and the seconds after which nothing was.
    lacks: str | None = "not looked at yet"
    looks: int = 0
    seconds: float | None = None
    seen: dict[str, View] = field(default_factory=dict)


class Proxies:
    """The proxies of the pods that call some services of a namespace."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        say: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        connect: Callable[[Api, str, str], Admin] = Admin,
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._say = say
        self._sleep = sleep
        self._clock = clock
        self._connect = connect
        self._open: dict[str, Proxy] = {}
        self._kept = Outermost(self._disconnect)
        # Callers that get no requests themselves and cannot be asked, with the reason: their node is down, say.
        self.silent: dict[str, str] = {}

    @contextmanager
    def connected(self) -> Iterator[Proxies]:
        """Close all connections at the end, of the outermost of several; each of these asks anew who did not answer."""
        self._open = {name: proxy for name, proxy in self._open.items() if proxy.admin}
        with self._kept:
            yield self

    def _disconnect(self) -> None:
        for proxy in self._open.values():
            if proxy.admin:
                proxy.admin.close()
        self._open.clear()

    def views(self, expected: Sequence[Expectation]) -> dict[str, dict[str, View]]:
        """Give what each calling pod's proxy holds: by pod, by service."""
        result = {}
        for proxy in self._callers(expected, self._pods()):
            self._look(proxy, expected, {})
            if proxy.admin is None:
                self.silent[proxy.pod] = str(proxy.lacks)
            else:
                result[proxy.pod] = proxy.seen
        if not result:
            raise ProxyError("No calling proxy can be asked: " + "; ".join(self.silent.values()) + ".")
        return result

    def wait(self, expected: Sequence[Expectation], timeout: float, since: float | None = None) -> dict[str, float]:
        """Wait until every calling proxy holds what is expected; give each pod's seconds since `since` (now)."""
        begun = self._clock()
        since = begun if since is None else since
        looked = said = begun
        pause = POLL_SECONDS
        pods = self._pods()
        ready, proxies = _ready(pods), self._callers(expected, pods)
        for proxy in proxies:
            proxy.seconds = None
        while True:
            waiting = [proxy for proxy in proxies if proxy.seconds is None]
            for proxy in waiting:
                self._look(proxy, expected, ready)
                proxy.seconds = None if proxy.lacks else self._clock() - since
            now = self._clock()
            lacking = next((proxy for proxy in proxies if proxy.seconds is None), None)
            if lacking is None:
                return {proxy.pod: round(proxy.seconds or 0, 3) for proxy in proxies}
            if now - begun > timeout:
                raise ProxyError(
                    f"After {timeout:g} s the proxy of pod {lacking.pod} does not hold what it must: {lacking.lacks}."
                )
            if now - said > 5:
                said = now
                self._say(f"waiting for the proxy of {lacking.pod}: {lacking.lacks}")
            if now - looked > LOOK_SECONDS:
                looked = now
                pods = self._pods()
                ready, proxies = _ready(pods), self._callers(expected, pods)
            self._sleep(pause)
            pause = min(pause * LONGER, MOST_POLL_SECONDS)

    def drained(self, subsets: Mapping[str, Sequence[str]], expected: Sequence[Expectation], timeout: float) -> None:
        """Wait until no calling proxy sends to these subsets (by service) any more, or waits for their answers."""
        begun = said = self._clock()
        before: dict[tuple[str, str, str], int] = {}
        while True:
            busy = None
            totals = {}
            for proxy in self._callers(expected, self._pods()):
                self._look(proxy, expected, {})
                # What it held before says nothing about now.
                seen = {} if proxy.lacks else proxy.seen
                busy = proxy.lacks or busy
                for service, names in subsets.items():
                    for subset in names:
                        cluster = seen[service].subsets.get(subset) if service in seen else None
                        if cluster is None:
                            continue
                        key = (proxy.pod, service, subset)
                        totals[key] = cluster.total
                        sent = cluster.total - before.get(key, 0) if key in before else None
                        if cluster.active or sent is None or sent > 0:
                            busy = f"pod {proxy.pod}: {cluster.active} requests in flight to {service} {subset}" + (
                                f", {sent} new ones a second" if sent else ""
                            )
            before = totals
            now = self._clock()
            if busy is None:
                return
            if now - begun > timeout:
                raise ProxyError(f"After {timeout:g} s the old version is not drained: {busy}.")
            if now - said > 5:
                said = now
                self._say(f"draining: {busy}")
            self._sleep(1)

    def _pods(self) -> list[dict[str, Any]]:
        return self._api.items(f"/api/v1/namespaces/{self._namespace}/pods")

    def _callers(self, expected: Sequence[Expectation], pods: Sequence[Mapping[str, Any]]) -> list[Proxy]:
        """Connect to the proxies of the calling pods that run; forget those of pods that are gone."""
        apps = {caller for each in expected for caller in each.callers}
        calling = [
            pod
            for pod in pods
            if (pod["metadata"].get("labels") or {}).get("app") in apps and _runs(pod) and not _is_check(pod)
        ]
        named = {str(pod["metadata"]["name"]): str(pod["metadata"]["labels"]["app"]) for pod in calling}
        without = [str(pod["metadata"]["name"]) for pod in calling if not has_proxy(pod)]
        if without:
            raise ProxyError(
                f"Pod {', '.join(without)} in namespace {self._namespace} calls through no proxy, so that no route "
                "applies to it: ansible-playbook playbooks/deploy.yml puts the application on the mesh."
            )
        if not named:
            raise ProxyError(
                f"No pod of {', '.join(sorted(apps))} runs in namespace {self._namespace}, so that there is no proxy "
                "to ask: deploy the application first with ansible-playbook playbooks/deploy.yml."
            )
        for name in self._open.keys() - named.keys():
            gone = self._open.pop(name)
            if gone.admin:
                gone.admin.close()
        for name in named.keys() - self._open.keys():
            self._open[name] = Proxy(name, named[name])
        # One that is not ready and cannot be asked is as good as gone: its node is down, or it is ending.
        idle = {str(pod["metadata"]["name"]): pod for pod in calling if not is_ready(pod)}
        self.silent = {
            name: f"{self._open[name].lacks} (on node {pod['spec'].get('nodeName', 'unknown')})"
            for name, pod in idle.items()
            if self._open[name].looks and self._open[name].admin is None
        }
        if self.silent.keys() == named.keys():
            raise ProxyError(f"No calling proxy can be asked: {'; '.join(self.silent.values())}.")
        return [self._open[name] for name in sorted(named.keys() - self.silent.keys())]

    def _look(self, proxy: Proxy, expected: Sequence[Expectation], ready: Mapping[tuple[str, str], int]) -> None:
        """See what a proxy holds, and what it lacks."""
        mine = [each for each in expected if proxy.app in each.callers]
        proxy.looks += 1
        try:
            proxy.admin = proxy.admin or self._connect(self._api, self._namespace, proxy.pod)
            route_dump = proxy.admin.get(ROUTES)
            active = clusters(proxy.admin.get(CLUSTERS))
        except ProxyError as error:
            # A pod may just be ending; whether it is still there shows at the next look at the pods.
            proxy.lacks = str(error)
            if proxy.admin:
                proxy.admin.close()
            proxy.admin = None
            return
        proxy.seen = {each.service: _view(each, self._namespace, route_dump, active) for each in mine}
        lacking = [
            difference(
                each,
                proxy.seen[each.service],
                {version: count for (app, version), count in ready.items() if app == each.service},
            )
            for each in mine
        ]
        proxy.lacks = next((sentence for sentence in lacking if sentence), None)


def _view(expected: Expectation, namespace: str, route_dump: Mapping[str, Any], active: Mapping[str, Cluster]) -> View:
    subsets = {
        subset: cluster
        for name, cluster in active.items()
        if (subset := subset_of(name, expected.service, namespace, expected.port))
    }
    return View(of_envoy(route_dump, expected.service, namespace, expected.port), subsets)


def _runs(pod: Mapping[str, Any]) -> bool:
    return "deletionTimestamp" not in pod["metadata"] and (pod.get("status") or {}).get("phase") == "Running"


def _is_check(pod: Mapping[str, Any]) -> bool:
    """Tell the short-lived pods of `connection_check`, which bear a caller's labels, from the callers."""
    return CHECK_LABEL in (pod["metadata"].get("labels") or {})


def _ready(pods: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], int]:
    counts: dict[tuple[str, str], int] = {}
    for pod in pods:
        if is_ready(pod):
            labels = pod["metadata"].get("labels") or {}
            key = (labels.get("app", ""), labels.get("version", ""))
            counts[key] = counts.get(key, 0) + 1
    return counts
