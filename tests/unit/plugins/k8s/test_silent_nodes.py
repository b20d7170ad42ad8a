"""What is on a node that does not answer is waited for by nobody, and lost by nobody in silence."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import silent_nodes

PODS = "/api/v1/namespaces/anna/pods"
HERE, GONE = "control-plane", "worker-1"


@pytest.fixture
def cluster(api: Any) -> Any:
    """Two nodes, of which one does not answer."""
    for name, ready in ((HERE, "True"), (GONE, "Unknown")):
        conditions = [{"type": "MemoryPressure", "status": "Unknown"}, {"type": "Ready", "status": ready}]
        labels = {silent_nodes.HOSTNAME: f"host-of-{name}"}
        api.put(f"/api/v1/nodes/{name}", metadata={"labels": labels}, status={"conditions": conditions})
    return api


@pytest.mark.parametrize(("status", "silent"), [("True", False), ("False", False), ("Unknown", True), (None, False)])
def test_a_node_is_silent_whose_kubelet_is_not_heard_of(api: Any, status: str | None, silent: bool) -> None:
    """One that says itself that it is not ready ends its pods all the same; a new one has said nothing yet."""
    conditions = [{"type": "Ready", "status": status}] if status else []
    api.put(f"/api/v1/nodes/{GONE}", status={"conditions": conditions})
    assert bool(silent_nodes.silent(api)) == silent


@pytest.mark.parametrize(
    ("node", "told_to_end", "goes"),
    [(GONE, True, True), (GONE, False, False), (HERE, True, False), ("", True, False)],
)
def test_what_was_told_to_end_there_is_let_go(cluster: Any, node: str, told_to_end: bool, goes: bool) -> None:
    metadata = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if told_to_end else {}
    cluster.put(f"{PODS}/front", metadata=metadata, spec={"nodeName": node} if node else {})
    silent_nodes.let_go(cluster, cluster.items(PODS))
    assert cluster.graces == ({f"{PODS}/front": 0} if goes else {})


def volume(api: Any, hosts: list[str], phase: str = "Bound", namespace: str = "anna", key: str = "") -> None:
    match = {"key": key or silent_nodes.HOSTNAME, "operator": "In", "values": hosts}
    affinity = {"required": {"nodeSelectorTerms": [{"matchExpressions": [match]}]}} if hosts else {}
    spec = {"claimRef": {"namespace": namespace, "name": "mongo-data"}, "nodeAffinity": affinity}
    api.put("/api/v1/persistentvolumes/pvc-1", spec=spec, status={"phase": phase})


LOST = f"host-of-{GONE}"


def test_a_volume_there_is_named_with_what_to_do(cluster: Any) -> None:
    volume(cluster, [LOST])
    with pytest.raises(WorkshopError) as refused:
        silent_nodes.refuse_lost_volumes(cluster, "anna")
    said = str(refused.value)
    assert said.startswith(f"The data of mongo-data in anna are on {LOST}, a node that does not answer: start it again")
    assert "ansible-playbook playbooks/reset.yml" in said


@pytest.mark.parametrize(
    "given",
    [
        {"hosts": [f"host-of-{HERE}"]},
        {"hosts": [f"host-of-{HERE}", LOST]},
        {"hosts": []},
        {"hosts": [LOST], "phase": "Released"},
        {"hosts": [LOST], "namespace": "ben"},
        {"hosts": [LOST], "key": "topology.kubernetes.io/zone"},
    ],
)
def test_another_volume_is_no_reason(cluster: Any, given: dict[str, Any]) -> None:
    volume(cluster, **given)
    silent_nodes.refuse_lost_volumes(cluster, "anna")
