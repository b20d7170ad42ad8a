"""Waiting for Deployments ends with success, or with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.deployments import (
    RolloutError,
    Rollouts,
    forget_history,
    progress,
)

APPS, CORE = "/apis/apps/v1/namespaces/staging", "/api/v1/namespaces/staging"
READY = {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}


def deployment(**status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "aleph-v01", "uid": "d", "generation": 2},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "aleph"}}},
        "status": READY | status,
    }


@pytest.mark.parametrize(
    ("status", "done", "text"),
    [
        ({}, True, "1 of 1 ready"),
        ({"observedGeneration": 1}, False, "not seen by its controller yet"),
        ({"updatedReplicas": 0}, False, "0 of 1 new pods made"),
        ({"replicas": 2}, False, "1 old pods still there"),
        ({"availableReplicas": 0}, False, "0 of 1 new pods ready"),
    ],
)
def test_progress_is_judged_as_kubectl_does(status: dict[str, int], done: bool, text: str) -> None:
    judged = progress(deployment(**status))
    assert (judged.done, judged.text) == (done, text)


def test_what_its_controller_has_not_counted_yet_is_none() -> None:
    new = {**deployment(), "status": {"observedGeneration": 2}}
    assert progress(new).text == "0 of 1 new pods made"


class Room:
    """A namespace with one Deployment that is not ready, and its pod."""

    def __init__(self, api: Any) -> None:
        self.api, self.said, self.now = api, list[str](), 0.0
        self.api.objects[f"{APPS}/deployments/aleph-v01"] = deployment(availableReplicas=0)
        for number, name in enumerate(("old", "new")):
            owner = {"uid": "d", "controller": True}
            self.api.put(
                f"{APPS}/replicasets/{name}",
                metadata={
                    "labels": {"app": "aleph"},
                    "ownerReferences": [owner],
                    "annotations": {"deployment.kubernetes.io/revision": str(number)},
                },
            )

    def pod(self, name: str, of: str = "new", **status: Any) -> None:
        owner = {"uid": f"uid-{of}", "controller": True}
        self.api.put(
            f"{CORE}/pods/{name}", metadata={"labels": {"app": "aleph"}, "ownerReferences": [owner]}, status=status
        )

    def wait(self, timeout: float = 60) -> None:
        Rollouts(self.api, "staging", self.said.append, self.sleep, lambda: self.now).wait(["aleph-v01"], timeout)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def room(api: Any) -> Room:
    return Room(api)


def state(**more: Any) -> dict[str, Any]:
    return {"containerStatuses": [{"name": "aleph", "image": "aleph:1", "ready": False, **more}]}


def test_it_returns_when_all_are_ready(room: Room) -> None:
    room.api.objects[f"{APPS}/deployments/aleph-v01"]["status"]["availableReplicas"] = 1
    room.wait()
    assert room.said == []


def test_a_missing_deployment_is_named(room: Room) -> None:
    room.api.objects.clear()
    with pytest.raises(RolloutError, match="no Deployment aleph-v01 in namespace staging"):
        room.wait()


def test_a_crashing_pod_is_shown_with_its_log(room: Room) -> None:
    room.pod(
        "p",
        **state(
            restartCount=2, state={"waiting": {"reason": "CrashLoopBackOff"}}, lastState={"terminated": {"exitCode": 2}}
        ),
    )
    room.api.logs[f"{CORE}/pods/p"] = "FAULTS names 'nonsense'"
    with pytest.raises(RolloutError) as failure:
        room.wait()
    assert "keeps ending (exit code 2; 2 restarts) (pod p)" in str(failure.value)
    assert str(failure.value).endswith("FAULTS names 'nonsense'")
    assert room.now == 0


def test_an_image_that_cannot_be_had_gets_half_a_minute(room: Room) -> None:
    room.pod("p", **state(state={"waiting": {"reason": "ErrImagePull", "message": "refused"}}))
    with pytest.raises(RolloutError, match=r"image aleph:1 cannot be had \(ErrImagePull: refused\)"):
        room.wait()
    assert room.now == 30


def test_a_pod_that_never_becomes_ready_is_shown_when_time_is_up(room: Room) -> None:
    room.pod("p", **state(state={"running": {}}))
    room.api.logs[f"{CORE}/pods/p"] = "waiting for something"
    with pytest.raises(RolloutError, match=r"(?s)runs, but does not become ready.*waiting for something"):
        room.wait(timeout=5)


def test_an_old_pods_trouble_is_what_is_being_replaced(room: Room) -> None:
    room.pod("p", of="old", **state(restartCount=9, state={"waiting": {"reason": "CrashLoopBackOff"}}))
    with pytest.raises(RolloutError, match="was not ready after 5 s: 0 of 1 new pods ready"):
        room.wait(timeout=5)


def test_pods_that_are_not_allowed_are_explained(room: Room) -> None:
    condition = {"type": "ReplicaFailure", "status": "True", "message": "violates PodSecurity"}
    room.api.objects[f"{APPS}/deployments/aleph-v01"]["status"]["conditions"] = [condition]
    with pytest.raises(RolloutError, match="may not make its pods: violates PodSecurity"):
        room.wait()


@pytest.mark.parametrize(
    ("updated", "said"), [(0, "may not make its pods: it is paused; kubectl rollout resume"), (1, "")]
)
def test_a_paused_one_is_said_where_that_keeps_its_pods_old(room: Room, updated: int, said: str) -> None:
    room.api.objects[f"{APPS}/deployments/aleph-v01"]["spec"]["paused"] = True
    room.api.objects[f"{APPS}/deployments/aleph-v01"]["status"]["updatedReplicas"] = updated
    room.pod("p", of="old")
    with pytest.raises(RolloutError, match=said or "was not ready after 180 s: 0 of 1 new pods ready"):
        room.wait(180)
    assert room.now == (30 if said else 180)


def test_progress_is_said_when_it_changes(room: Room) -> None:
    room.pod("p")
    with pytest.raises(RolloutError):
        room.wait(timeout=3)
    assert room.said == ["aleph-v01: 0 of 1 new pods ready"]


def event(room: Room, kind: str, name: str, reason: str, message: str, of_type: str = "Warning") -> None:
    about = {"kind": kind, "name": name, "uid": f"uid-{name}"}
    room.api.put(f"{CORE}/events/{reason}-{name}", involvedObject=about, type=of_type, reason=reason, message=message)


def test_a_trouble_that_begins_late_gets_its_time(room: Room) -> None:
    def fails_later(seconds: float) -> None:
        room.now += seconds
        if room.now == 40:
            room.pod("p", **state(state={"waiting": {"reason": "ErrImagePull", "message": "refused"}}))
        if room.now == 65:
            room.api.objects[f"{APPS}/deployments/aleph-v01"]["status"]["availableReplicas"] = 1

    Rollouts(room.api, "staging", room.said.append, fails_later, lambda: room.now).wait(["aleph-v01"], 180)
    assert room.now == 65


def test_a_quota_is_said_though_there_is_no_pod(room: Room) -> None:
    event(room, "ReplicaSet", "new", "FailedCreate", "pods aleph-1 is forbidden: exceeded quota: q")
    with pytest.raises(RolloutError, match=r"may not make its pods: .*exceeded quota: q \(FailedCreate\)\."):
        room.wait(180)
    assert room.now == 30
    assert room.said[0] == (
        "aleph-v01: 0 of 1 new pods ready: pods aleph-1 is forbidden: exceeded quota: q (FailedCreate)"
    )


def test_a_webhook_that_restarts_is_waited_for(room: Room) -> None:
    message = "Internal error occurred: failed calling webhook rev.istio.io: connection refused"
    condition = {"type": "ReplicaFailure", "status": "True", "message": message}
    room.api.objects[f"{APPS}/deployments/aleph-v01"]["status"]["conditions"] = [condition]
    with pytest.raises(RolloutError, match=r"may not make its pods: .*failed calling webhook"):
        room.wait(180)
    assert room.now == 60


def test_a_pod_that_hangs_in_creation_is_explained(room: Room) -> None:
    room.pod("p", phase="Pending", **state(state={"waiting": {"reason": "ContainerCreating"}}))
    event(room, "Pod", "p", "FailedMount", 'MountVolume.SetUp failed: secret "tls" not found')
    with pytest.raises(RolloutError, match=r'does not come up: .*secret "tls" not found \(FailedMount\) \(pod p\)'):
        room.wait(180)
    assert room.now == 60


def test_pods_that_were_refused_are_tried_again_at_once(room: Room) -> None:
    """Whoever has mended what refused them, however long ago, does not wait for a ReplicaSet's patience."""
    refusal = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: q"}
    for path in (f"{APPS}/deployments/aleph-v01", f"{APPS}/replicasets/new"):
        room.api.objects[path]["status"] = {**READY, "availableReplicas": 0, "conditions": [refusal]}
    times, merge = list[float](), room.api.merge

    def tried(path: str, body: Any) -> Any:
        assert path == f"{APPS}/replicasets/new"
        times.append(room.now)
        return merge(path, body)

    room.api.merge = tried
    with pytest.raises(RolloutError, match="may not make its pods: exceeded quota"):
        room.wait(180)
    assert times == [0, 5, 10, 15, 20, 25, 30]


def test_who_may_not_have_them_tried_again_waits(room: Room) -> None:
    refusal = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: q"}
    room.api.objects[f"{APPS}/replicasets/new"]["status"] = {"conditions": [refusal]}

    def forbidden(path: str, body: Any) -> Any:
        room.api.objects[f"{APPS}/deployments/aleph-v01"]["status"]["availableReplicas"] = 1
        raise KubernetesError("forbidden", 403)

    room.api.merge = forbidden
    room.wait(180)


def test_a_volume_that_is_still_being_made_is_told(room: Room) -> None:
    """While whoever makes it is at work, nothing else says why a pod is nowhere."""
    room.pod("p", phase="Pending")
    room.api.objects[f"{CORE}/pods/p"]["spec"] = {
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    }
    event(room, "PersistentVolumeClaim", "data", "ExternalProvisioning", "Waiting for a volume")
    with pytest.raises(RolloutError, match=r"after 180 s: 0 of 1 new pods ready: its volume data is still being made"):
        room.wait(180)


def test_a_volume_that_takes_its_time_is_waited_for(room: Room) -> None:
    room.pod("p", conditions=[{"type": "PodScheduled", "status": "False", "message": "unbound claims"}])
    with pytest.raises(RolloutError, match="no node takes it: unbound claims"):
        room.wait(180)
    assert room.now == 120


def test_a_silent_api_server_does_not_end_a_rollout(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    items = room.api.items

    def silent(path: str, **query: str) -> list[dict[str, Any]]:
        if 5 <= room.now < 65:
            raise KubernetesError("no answer", transient=True)
        if room.now >= 70:
            room.api.objects[f"{APPS}/deployments/aleph-v01"]["status"]["availableReplicas"] = 1
        return list(items(path, **query))

    monkeypatch.setattr(room.api, "items", silent)
    room.wait(180)
    assert room.now == 70


def test_of_what_deployments_ran_before_the_last_are_kept(api: Any) -> None:
    """But for those that still run pods, and those of nobody's."""

    def put(name: str, owner: str, revision: int, **counts: int) -> None:
        owners = [{"uid": owner, "controller": True}] if owner else []
        metadata = {"annotations": {"deployment.kubernetes.io/revision": str(revision)}, "ownerReferences": owners}
        replicas = counts.get("status", 0)
        api.put(
            f"{APPS}/replicasets/{name}",
            metadata=metadata,
            spec={"replicas": counts.get("spec", 0)},
            status={"replicas": replicas},
        )

    for revision in range(1, 21):
        put(f"aleph-{revision}", "a", revision)
    for revision in range(1, 12):
        put(f"beth-{revision}", "b", revision)
    put("aleph-4", "a", 4, spec=1)
    put("aleph-5", "a", 5, status=1)
    for number in range(20):
        put(f"own-{number}", "", 0)
    forget_history(api, "staging")
    gone = [path.rpartition("/")[2] for verb, path in api.requests if verb == "delete"]
    assert gone == [f"aleph-{revision}" for revision in (1, 2, 3, 6, 7, 8, 9)]
