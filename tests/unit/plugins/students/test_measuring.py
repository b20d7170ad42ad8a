"""What a room has is read from its nodes, pods and kubelets; one that is silent hinders nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import capacity
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.capacity import Cost, Pool
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import measuring
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.measuring import Machine, Room

NODES = "/api/v1/nodes"
MIB = 2**20
HERE = Machine(Pool(8000, 3000), Pool(50000, 1000), Pool(32768, 2768), Pool(1024, 24), 2)


def put_node(api: Any, name: str, told: dict[str, Any] | None = None, **spec: Any) -> None:
    api.put("/apis/networking.k8s.io/v1/networkpolicies/some")
    allocatable = {"cpu": "2", "pods": "110"}
    api.put(f"{NODES}/{name}", spec={"podCIDR": "10.244.0.0/24", **spec}, status={"allocatable": allocatable})
    if told is not None:
        api.objects[f"{NODES}/{name}/proxy/stats/summary"] = told


def put_pod(
    api: Any,
    name: str,
    node: str,
    cpu: str = "20m",
    phase: str = "Running",
    namespace: str = "staging",
    **spec: Any,
) -> None:
    container = {"name": "app", "resources": {"requests": {"cpu": cpu}}}
    made = {"containers": [container], "nodeName": node, **spec}
    metadata = {"namespace": namespace}
    api.put(f"/api/v1/namespaces/{namespace}/pods/{name}", metadata=metadata, spec=made, status={"phase": phase})
    api.objects[f"/api/v1/pods/{namespace}-{name}"] = api.objects[f"/api/v1/namespaces/{namespace}/pods/{name}"]


def used(namespace: str, *megabytes: int) -> list[dict[str, Any]]:
    return [
        {"podRef": {"namespace": namespace, "name": str(each)}, "memory": {"workingSetBytes": each * MIB}}
        for each in megabytes
    ]


def test_a_node_has_what_its_pods_leave(api: Any) -> None:
    put_node(api, "one", {})
    put_node(api, "closed", {}, taints=[{"effect": "NoSchedule"}])
    sidecar = {"name": "istio-proxy", "restartPolicy": "Always", "resources": {"requests": {"cpu": "10m"}}}
    once = {"name": "init", "resources": {"requests": {"cpu": "1"}}}
    put_pod(api, "a", "one", initContainers=[sidecar, once])
    put_pod(api, "b", "one", "0.1", hostNetwork=True)
    put_pod(api, "ended", "one", phase="Succeeded")
    put_pod(api, "elsewhere", "closed")
    pools = Room(api).means(HERE, [], 0).pools
    assert pools["cpu"] == [Pool(2000, 130)]
    assert pools["pods"] == [Pool(110, 2 + measuring.SPARE_PODS)]
    assert pools["addresses"] == [Pool(253, 1 + measuring.SPARE_PODS)]
    assert Room(api).means(HERE, [], 250).pools["pods"] == [Pool(250, 2 + measuring.SPARE_PODS)]


@pytest.mark.parametrize("machine", [HERE, None])
def test_where_no_node_takes_pods_nobody_fits(api: Any, machine: Machine | None) -> None:
    put_node(api, "one", {}, unschedulable=True)
    put_node(api, "two", {}, taints=[{"effect": "NoExecute"}])
    planned = capacity.plan(["anna", "ben"], Cost(), Room(api).means(machine, ["anna"], 250))
    assert (planned["fits"], planned["limit"]) == (1, "nodes")
    assert "(no node takes any)" in capacity.refusal(planned)
    assert capacity.refusal(capacity.plan(["anna"], Cost(), Room(api).means(machine, ["anna"], 250))) == ""


def test_what_nodes_share_is_counted_once(api: Any) -> None:
    for name in ("one", "two"):
        put_node(api, name, {})
    pools = Room(api).means(HERE, [], 0).pools
    assert (pools["memory"], pools["inotify"]) == ([HERE.memory], [HERE.inotify])
    assert pools["processor"][0].total == 2000


def test_machines_tell_each_of_themselves_or_are_not_judged(api: Any) -> None:
    put_node(api, "one", {"node": {"memory": {"availableBytes": 900 * MIB, "workingSetBytes": 100 * MIB}}})
    put_node(api, "silent")
    pools = Room(api).means(None, [], 0).pools
    assert pools["memory"] == [Pool(1000, 100 + measuring.SPARE_MEMORY)]
    assert pools["threads"] == []
    assert pools["processor"][0].total == 4000


def test_places_get_more_pods_when_everybody_is_at_work(api: Any) -> None:
    put_node(api, "one", {})
    for namespace, number in {"anna": 5, "ben": 9, "carl": 1}.items():
        for each in range(number):
            put_pod(api, f"pod-{each}", "one", namespace=namespace)
    put_pod(api, "ended", "one", phase="Succeeded", namespace="dora")
    room = Room(api)
    assert room.living(["anna", "ben", "carl", "dora", "eve"]) == ["anna", "ben", "carl"]
    means = room.means(HERE, ["anna", "ben", "carl"], 250, 7)
    assert (means.growing, list(means.there)) == (2 + 0 + 6, ["anna", "ben", "carl"])


@pytest.mark.parametrize(
    ("pods", "memory"),
    [
        pytest.param((50, 60, 70, 80, 90), 70 + measuring.SHIM_MEMORY, id="a place"),
        pytest.param((50, 60), Cost().memory, id="half a place tells nothing"),
        pytest.param((), Cost().memory, id="none"),
    ],
)
def test_a_pod_s_memory_is_measured_in_whole_places(api: Any, pods: tuple[int, ...], memory: float) -> None:
    put_node(api, "one", {"pods": [*used("anna", *pods), *used("kube-system", 400)]})
    assert Room(api).cost(["anna"], Cost()).memory == memory


@pytest.mark.parametrize(("number", "where"), [(1, "in s0;"), (3, "in s0, s1, s2;"), (250, "in 250 places;")])
def test_where_a_pod_s_memory_was_measured_is_said_in_short(api: Any, number: int, where: str) -> None:
    put_node(api, "one", {"pods": used("s0", *[50] * 5)})
    assert where in Room(api).cost([f"s{each}" for each in range(number)], Cost()).source


def test_this_machine_can_be_looked_at() -> None:
    machine = Machine.this("/nonexistent/storage", 1024)
    for pool in (machine.memory, machine.disk, machine.threads, machine.inotify):
        assert pool.total > 0
        assert pool.taken >= 0
    raised = Machine.this("/nonexistent/storage", 1024, 2**22)
    assert raised.threads.total >= machine.threads.total
    assert raised.threads.total == int(Path("/proc/sys/kernel/threads-max").read_text())
    free = measuring.without_room(machine, 2, 110).pools["pods"]
    assert [pool.free for pool in free] == [89, 104]


@pytest.mark.parametrize("rate", [-0.5, 500.1, float("nan"), float("inf"), -float("inf")])
def test_what_the_load_client_does_not_take_is_one_sentence(rate: float) -> None:
    with pytest.raises(WorkshopError, match=r"student_load_rate is .*, but must be a number from 0 to 500"):
        measuring.rate_of(rate)
    assert [measuring.rate_of(each) for each in (0, 0.5, 500)] == [0, 0.5, 500]


@pytest.mark.parametrize("share", [0, -0.1, 1.01, float("nan"), float("inf")])
def test_a_share_of_processors_that_is_none_is_one_sentence(share: float) -> None:
    with pytest.raises(WorkshopError, match=r"student_processor_share is .*, but must be above 0 and at most 1"):
        measuring.share_of(share)
    assert [measuring.share_of(each) for each in (0.125, 1)] == [0.125, 1]


@pytest.mark.parametrize("quantity", ["", "a", "1x", "-1m", "None", "NaN", "Infinity", "1e400"])
@pytest.mark.parametrize("which", [0, 1])
def test_what_is_no_quantity_is_one_sentence(quantity: str, which: int) -> None:
    asked = ["1m", "1m"]
    asked[which] = quantity
    with pytest.raises(WorkshopError, match=rf"requests?.* is '{quantity}', but must be a quantity of CPU"):
        measuring.place_of([], *asked)
    assert measuring.place_of([], "1m", "0").cpu == 1


@pytest.mark.parametrize(
    ("quota", "pod_threads", "most"),
    [
        ({"pods": "20", "limits.ephemeral-storage": "6Gi"}, 512, (10240, 6144)),
        ({"pods": 20}, 0, (0, 0)),
        ({}, 512, (0, 0)),
    ],
)
def test_what_a_place_may_have_at_most_is_read_from_its_quota(
    quota: dict[str, Any], pod_threads: int, most: tuple[float, float]
) -> None:
    assert measuring.most_of_place(quota, pod_threads) == most


@pytest.mark.parametrize("quantity", ["", "many", "-1", None])
def test_what_is_no_quantity_in_a_quota_is_one_sentence(quantity: Any) -> None:
    with pytest.raises(WorkshopError, match=r"student_quota has .* for pods, but it must be a quantity"):
        measuring.most_of_place({"pods": quantity}, 512)
