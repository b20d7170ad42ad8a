"""Waiting for every calling proxy, and writing in the order that it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.plugins.traffic.conftest import at, goal, written
from tests.unit.plugins.traffic.test_routes import SPLIT, STABLE, cluster, dump, host

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import routes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.expectation import Expectation
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.proxies import CLUSTERS, Proxies, ProxyError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import (
    destination_rule,
    virtual_service,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.writer import Callee, Writer

CALLEE = Callee("aleph", 80, ("front", "load"))
SPLIT_ROUTES = tuple(routes.of_virtual_service(virtual_service(goal("rollout", 20))))


def pod(name: str, app: str, version: str = "", ready: bool = True, proxy: bool = True) -> tuple[str, dict[str, Any]]:
    containers = [{"name": "istio-proxy"}] if proxy else []
    return f"/api/v1/namespaces/staging/pods/{name}", {
        "metadata": {"labels": {"app": app, "version": version}},
        "spec": {"initContainers": containers, "containers": [{"name": app}]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


class Mesh:
    """Proxies that hold, after some looks, what a test says; the clock runs with their answers."""

    def __init__(self, api: Any) -> None:
        self.api = api
        self.now = 0.0
        self.said: list[str] = []
        # By pod: what each look finds, the last one for ever.
        self.looks: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {}
        # Pods whose proxies are asked, one name for each connection.
        self.connected: list[str] = []
        self.broken: set[str] = set()
        self.unreachable: set[str] = set()
        for path, fields in (
            pod("front-1", "front"),
            pod("load-1", "load"),
            pod("aleph-1", "aleph", "v01"),
            pod("aleph-3", "aleph", "v03"),
        ):
            api.put(path, **fields)

    def holds(self, name: str, *looks: tuple[Sequence[dict[str, Any]], Mapping[str, int]]) -> None:
        """Say which routes and how many endpoints by subset a pod's proxy holds, look by look."""
        self.looks[name] = [
            (
                dump(*held),
                {
                    "cluster_statuses": [
                        {"name": cluster(subset), "host_statuses": [host() for _ in range(number)]}
                        for subset, number in endpoints.items()
                    ]
                },
            )
            for held, endpoints in looks
        ]

    def connect(self, _api: Any, _namespace: str, name: str) -> Any:
        mesh = self
        if name in self.unreachable:
            raise ProxyError(f"the proxy of pod {name} cannot be asked")

        mesh.connected.append(name)

        class FakeAdmin:
            def get(self, path: str) -> dict[str, Any]:
                if name in mesh.broken:
                    mesh.broken.remove(name)
                    raise ProxyError(f"the proxy of pod {name} did not answer")
                looks = mesh.looks[name]
                found = looks[0][1 if path == CLUSTERS else 0]
                if path == CLUSTERS and len(looks) > 1:
                    looks.pop(0)
                return found

            def close(self) -> None:
                mesh.connected.remove(name)

        return FakeAdmin()

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    @property
    def proxies(self) -> Proxies:
        return Proxies(self.api, "staging", self.said.append, self.sleep, lambda: self.now, self.connect)


@pytest.fixture
def mesh(api: Any) -> Mesh:
    return Mesh(api)


BOTH = {"v01": 1, "v03": 1}
WANTED = Expectation("aleph", 80, ("front", "load"), SPLIT_ROUTES, ("v01", "v03"), ("v01", "v03"))


def test_connections_are_kept_until_the_outermost_is_left(mesh: Mesh) -> None:
    for name in ("front-1", "load-1"):
        mesh.holds(name, ([SPLIT], BOTH))
    proxies = mesh.proxies
    with proxies.connected():
        for _ in range(2):
            with proxies.connected():
                proxies.wait([WANTED], 10)
            assert mesh.connected == ["front-1", "load-1"]
        mesh.api.objects.pop("/api/v1/namespaces/staging/pods/front-1")
        proxies.wait([WANTED], 10)
        assert mesh.connected == ["load-1"]
    assert mesh.connected == []


def test_who_could_not_be_asked_is_asked_again_where_connections_are_kept(mesh: Mesh) -> None:
    for name in ("front-1", "load-1"):
        mesh.holds(name, ([SPLIT], BOTH))
        path, fields = pod(name, name.removesuffix("-1"), ready=False)
        mesh.api.put(path, **fields)
    mesh.unreachable = {"front-1", "load-1"}
    proxies = mesh.proxies
    with proxies.connected():
        with proxies.connected(), pytest.raises(ProxyError, match="No calling proxy can be asked"):
            proxies.wait([WANTED], 10)
        mesh.unreachable = set()
        with proxies.connected():
            assert sorted(proxies.wait([WANTED], 10)) == ["front-1", "load-1"]


def test_a_proxy_that_takes_long_is_looked_at_ever_more_seldom(mesh: Mesh) -> None:
    mesh.holds("front-1", ([SPLIT], BOTH))
    mesh.holds("load-1", *[([STABLE], BOTH)] * 100)
    with pytest.raises(ProxyError, match="After 10 s the proxy of pod load-1 does not hold what it must"):
        mesh.proxies.wait([WANTED], 10)
    assert 40 < 100 - len(mesh.looks["load-1"]) < 50


def test_each_proxys_time_is_told_and_the_last_one_decides(mesh: Mesh) -> None:
    mesh.holds("front-1", ([SPLIT], BOTH))
    mesh.holds("load-1", ([STABLE], BOTH), ([STABLE], BOTH), ([SPLIT], BOTH))
    assert mesh.proxies.wait([WANTED], 10) == {"front-1": 0.0, "load-1": 0.046}


def test_a_proxy_that_does_not_answer_once_is_asked_again(mesh: Mesh) -> None:
    mesh.holds("front-1", ([SPLIT], BOTH))
    mesh.holds("load-1", ([SPLIT], BOTH))
    mesh.broken.add("load-1")
    assert mesh.proxies.wait([WANTED], 10)["load-1"] == 0.02


@pytest.mark.parametrize(
    ("held", "endpoints", "said"),
    [
        ([STABLE], BOTH, "route of aleph is everything to v01 100 %, must be everything to v01 80 %, v03 20 %"),
        ([SPLIT], {"v01": 1}, "subset v03 of aleph has no active cluster"),
        ([SPLIT], {"v01": 1, "v03": 0}, "subset v03 of aleph has 0 healthy endpoints, for 1 ready pods"),
        ([SPLIT], {"v01": 1, "v03": 2}, "subset v03 of aleph has 2 healthy endpoints, for 1 ready pods"),
    ],
)
def test_what_a_proxy_lacks_is_named(
    mesh: Mesh, held: list[dict[str, Any]], endpoints: dict[str, int], said: str
) -> None:
    mesh.holds("front-1", ([SPLIT], BOTH))
    mesh.holds("load-1", (held, endpoints))
    with pytest.raises(ProxyError, match=r"After 10 s the proxy of pod load-1 does not hold") as error:
        mesh.proxies.wait([WANTED], 10)
    assert said in str(error.value)
    assert any(said in line for line in mesh.said), "it is said while waiting, too"


def test_a_subset_too_many_is_named_where_that_matters(mesh: Mesh) -> None:
    for name in ("front-1", "load-1"):
        mesh.holds(name, ([STABLE], BOTH))
    expected = Expectation("aleph", 80, ("front", "load"), None, ("v01",), only=("v01",))
    with pytest.raises(ProxyError, match="subset v03 of aleph is still there"):
        mesh.proxies.wait([expected], 1)
    assert mesh.proxies.wait([Expectation("aleph", 80, ("front", "load"), None, ("v01",))], 1)


def test_a_caller_without_a_proxy_is_named(mesh: Mesh) -> None:
    path, fields = pod("front-2", "front", proxy=False)
    mesh.api.put(path, **fields)
    with pytest.raises(ProxyError, match="Pod front-2 in namespace staging calls through no proxy"):
        mesh.proxies.wait([WANTED], 1)


def test_a_mesh_without_callers_is_named(mesh: Mesh) -> None:
    with pytest.raises(ProxyError, match="No pod of gimel runs in namespace staging"):
        mesh.proxies.wait([Expectation("aleph", 80, ("gimel",))], 1)


def test_a_pod_that_has_gone_is_waited_for_no_more(mesh: Mesh) -> None:
    mesh.holds("front-1", ([SPLIT], BOTH))
    mesh.holds("load-1", ([STABLE], BOTH))

    def sleep(seconds: float) -> None:
        mesh.now += seconds
        mesh.api.objects.pop("/api/v1/namespaces/staging/pods/load-1", None)

    mesh.sleep = sleep  # type: ignore[method-assign]
    assert set(mesh.proxies.wait([WANTED], 10)) == {"front-1"}


def test_a_version_is_drained_when_nothing_is_in_flight_or_new(mesh: Mesh) -> None:
    mesh.holds("front-1", ([SPLIT], BOTH))
    mesh.looks["load-1"] = [
        (dump(SPLIT), {"cluster_statuses": [{"name": cluster("v01"), "host_statuses": [host(active, total)]}]})
        for active, total in ((1, 5), (0, 6), (0, 6))
    ]
    mesh.proxies.drained({"aleph": ["v01"]}, [CALLEE.anything], 10)
    assert mesh.now == 2


def test_a_proxy_that_does_not_answer_while_it_drains_is_asked_again(mesh: Mesh) -> None:
    mesh.holds("front-1", ([SPLIT], BOTH))
    idle = {"cluster_statuses": [{"name": cluster("v01"), "host_statuses": [host(0, 5)]}]}
    mesh.looks["load-1"] = [(dump(SPLIT), idle)]
    mesh.broken.add("load-1")
    mesh.proxies.drained({"aleph": ["v01"]}, [CALLEE.anything], 10)
    # No answer, the first count, the same count.
    assert mesh.now == 2


def test_a_version_that_is_still_asked_is_not_drained(mesh: Mesh) -> None:
    mesh.holds("front-1", ([SPLIT], BOTH))
    mesh.looks["load-1"] = [
        (dump(SPLIT), {"cluster_statuses": [{"name": cluster("v01"), "host_statuses": [host(0, total)]}]})
        for total in range(100)
    ]
    with pytest.raises(ProxyError, match=r"After 5 s the old version is not drained: pod load-1: .* aleph v01, 1 new"):
        mesh.proxies.drained({"aleph": ["v01"]}, [CALLEE.anything], 5)


class FakeObjects:
    """Routing objects in memory; remembers the order of writes."""

    def __init__(self, *items: Mapping[str, Any]) -> None:
        self.items = list(items)
        self.done: list[str] = []
        self.wrote: list[Mapping[str, Any]] = []
        self.conflicts = 0

    def list(self, kind: str) -> list[Any]:
        return [item for item in self.items if item["kind"] == kind]

    def write(self, wanted: Mapping[str, Any], _live: Any, dry_run: bool) -> None:
        if self.conflicts:
            self.conflicts -= 1
            raise KubernetesError("changed meanwhile", 409)
        self.wrote.append(wanted)
        self.done.append(f"{'try ' if dry_run else ''}{wanted['kind']}")

    def delete(self, item: Mapping[str, Any], dry_run: bool) -> None:
        self.done.append(f"{'try ' if dry_run else ''}delete {item['metadata']['name']}")


SUBSETS = {"aleph": ["v01", "v03"]}


def writer(mesh: Mesh, objects: FakeObjects, **options: Any) -> Writer:
    given: dict[str, Any] = {"timeout": 2, "clock": lambda: mesh.now} | options
    return Writer(objects, mesh.proxies, [CALLEE], **given)  # type: ignore[arg-type]


def definitions() -> list[dict[str, Any]]:
    there = goal("rollout", 20)
    return [virtual_service(there), destination_rule("aleph", "staging", there.tags, there.record())]


def test_subsets_are_in_every_proxy_before_a_route_leads_there(mesh: Mesh) -> None:
    live = at("baseline")
    objects = FakeObjects(*live.virtual_services, *live.destination_rules)
    mesh.holds("front-1", ([STABLE], BOTH))
    mesh.holds("load-1", ([STABLE], {"v01": 1}))
    writing = writer(mesh, objects)
    with pytest.raises(ProxyError, match="subset v03 of aleph has no active cluster"):
        writing.write(definitions(), answering=SUBSETS)
    assert objects.done == ["DestinationRule"]
    assert writing.written.changed == ["DestinationRule staging/aleph"], "what was done is known, though it failed"


def test_a_subset_without_a_pod_is_no_place_to_lead_requests_to(mesh: Mesh) -> None:
    mesh.api.objects.pop("/api/v1/namespaces/staging/pods/aleph-3")
    for name in ("front-1", "load-1"):
        mesh.holds(name, ([STABLE], {"v01": 1, "v03": 0}))
    live = at("baseline")
    objects = FakeObjects(*live.virtual_services, *live.destination_rules)
    with pytest.raises(ProxyError, match="subset v03 of aleph has 0 healthy endpoints, for 0 ready pods"):
        writer(mesh, objects).write(definitions(), answering=SUBSETS)
    assert objects.done == ["DestinationRule"]


def test_what_is_as_it_should_be_is_not_written_and_still_waited_for(mesh: Mesh) -> None:
    live = at("rollout", 20)
    objects = FakeObjects(*live.virtual_services, *live.destination_rules)
    for name in ("front-1", "load-1"):
        mesh.holds(name, ([SPLIT], BOTH))
    writing = writer(mesh, objects)
    held = writing.write(definitions(), answering=SUBSETS)
    assert (objects.done, writing.written.changed, set(held)) == ([], [], {"front-1", "load-1"})


def test_what_others_have_noted_on_our_objects_is_no_difference(mesh: Mesh) -> None:
    live = at("rollout", 20)
    live.virtual_services[0]["metadata"]["annotations"]["kiali.io/note"] = "theirs"
    objects = FakeObjects(*live.virtual_services, *live.destination_rules)
    for name in ("front-1", "load-1"):
        mesh.holds(name, ([SPLIT], BOTH))
    writer(mesh, objects).write(definitions())
    assert objects.done == []


def test_every_object_of_ours_bears_the_rooms_name(mesh: Mesh) -> None:
    objects = FakeObjects()
    for name in ("front-1", "load-1"):
        mesh.holds(name, ([SPLIT], BOTH))
    writer(mesh, objects, room="blue").write(definitions())
    assert [item["metadata"]["labels"]["workshop.istio-games/room"] for item in objects.wrote] == ["blue", "blue"]


def test_check_mode_asks_the_cluster_and_shows_the_difference(mesh: Mesh) -> None:
    live = at("baseline")
    objects = FakeObjects(*live.virtual_services, *live.destination_rules)
    writing = writer(mesh, objects, check_mode=True)
    writing.write(definitions())
    assert objects.done == ["try DestinationRule", "try VirtualService"]
    assert "weight: 20" in writing.written.diff[1]["after"]
    assert "weight: 20" not in writing.written.diff[1]["before"]


def test_what_somebody_else_has_changed_is_overwritten_by_takeover_alone(mesh: Mesh, tmp_path: Path) -> None:
    edited = written({**virtual_service(goal("rollout", 20)), "spec": {"hosts": ["aleph"]}}, "kubectl-edit")
    mine = {"kind": "VirtualService", "metadata": {"name": "mine", "namespace": "staging", "uid": "x"}, "spec": {}}
    objects = FakeObjects(edited, mine, *at("rollout", 20).destination_rules)
    for name in ("front-1", "load-1"):
        mesh.holds(name, ([SPLIT], BOTH))
    with pytest.raises(KubernetesError, match="VirtualService staging/aleph was changed by somebody else"):
        writer(mesh, objects, copies=tmp_path / "copies").write(definitions(), remove=[mine])
    writer(mesh, objects, copies=tmp_path / "copies", takeover=True).write(definitions(), remove=[mine])
    assert objects.done == ["VirtualService", "delete mine"]
    kept = {path.name[:27]: yaml.safe_load(path.read_text()) for path in (tmp_path / "copies").iterdir()}
    assert len(kept) == 2
    assert all("resourceVersion" not in item["metadata"] and "uid" not in item["metadata"] for item in kept.values())


def test_a_change_that_was_undone_is_nobodys(mesh: Mesh) -> None:
    undone = written(virtual_service(goal("rollout", 20)), "kubectl-patch")
    objects = FakeObjects(undone, *at("rollout", 20).destination_rules)
    for name in ("front-1", "load-1"):
        mesh.holds(name, ([SPLIT], BOTH))
    writer(mesh, objects).write(definitions())
    assert objects.done == []


def test_a_version_that_is_read_anew_is_written_where_only_labels_have_changed_meanwhile(mesh: Mesh) -> None:
    live = at("baseline")
    objects = FakeObjects(*live.virtual_services, *live.destination_rules)
    for name in ("front-1", "load-1"):
        mesh.holds(name, ([SPLIT], BOTH))
    objects.conflicts = 1
    writer(mesh, objects).write(definitions())
    assert objects.done == ["DestinationRule", "VirtualService"]


def test_nothing_is_written_once_that_is_forbidden(mesh: Mesh) -> None:
    def permitted() -> None:
        raise KubernetesError("no longer ours")

    objects = FakeObjects()
    with pytest.raises(KubernetesError, match="no longer ours"):
        writer(mesh, objects, permitted=permitted).write(definitions())
    assert objects.done == []


def test_a_caller_whose_node_is_down_is_left_out_and_named(mesh: Mesh) -> None:
    path, fields = pod("load-1", "load", ready=False)
    mesh.api.put(path, **{**fields, "spec": {**fields["spec"], "nodeName": "worker-1"}})
    mesh.holds("front-1", ([SPLIT], BOTH))
    mesh.unreachable.add("load-1")
    proxies = mesh.proxies
    assert set(proxies.wait([WANTED], 10)) == {"front-1"}
    assert "worker-1" in proxies.silent["load-1"]


def test_a_caller_that_gets_requests_and_cannot_be_asked_is_waited_for(mesh: Mesh) -> None:
    mesh.holds("front-1", ([SPLIT], BOTH))
    mesh.unreachable.add("load-1")
    with pytest.raises(ProxyError, match="After 5 s the proxy of pod load-1"):
        mesh.proxies.wait([WANTED], 5)


def test_callers_that_all_cannot_be_asked_hold_nothing(mesh: Mesh) -> None:
    for name, app in (("front-1", "front"), ("load-1", "load")):
        path, fields = pod(name, app, ready=False)
        mesh.api.put(path, **fields)
        mesh.unreachable.add(name)
    with pytest.raises(ProxyError, match="No calling proxy can be asked"):
        mesh.proxies.wait([WANTED], 5)
