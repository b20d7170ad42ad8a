"""A place that sleeps remembers what ran; what a removal left half done is found again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import owner_labels
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import changing, making, register, sleeping

ANNA = places.of_student("anna", "/state")
NAMESPACE = "/api/v1/namespaces/anna"
DEPLOYMENTS = "/apis/apps/v1/namespaces/anna/deployments"
ASLEEP = f"{NAMESPACE}/resourcequotas/asleep"


@pytest.fixture
def there(api: Any) -> Any:
    """A cluster with anna's place, in which three Deployments run with 1, 3 and no pods."""
    api.put(NAMESPACE, metadata={"labels": {**owner_labels("blue"), register.STUDENT: "anna"}})
    for name, replicas in (("front", 1), ("aleph", 3), ("beth", 0)):
        api.put(f"{DEPLOYMENTS}/{name}", spec={"replicas": replicas})
    return api


def replicas(api: Any) -> dict[str, int]:
    return {name: api.objects[f"{DEPLOYMENTS}/{name}"]["spec"]["replicas"] for name in ("front", "aleph", "beth")}


def woken(api: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Resume it, and name what is waited for."""
    proved: list[str] = []

    def prove(api: Any, place: Any, course: Any, outside: Any, names: list[str], say: Any, *, fresh: bool) -> Any:
        assert not fresh, "it may be at any stage"
        proved.extend(names)
        return place

    monkeypatch.setattr(making, "with_credentials", lambda api, place, course: place)
    monkeypatch.setattr(making, "prove", prove)
    course = making.Class("blue", "staging", [], [], {}, 24, "", 1)
    changing.resume(api, ANNA, course, None, lambda _: None)  # type: ignore[arg-type]
    return sorted(proved)


def test_a_place_sleeps_and_wakes_as_it_was(there: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asleep = changing.suspend(there, ANNA, "blue", lambda _: None)
    assert asleep.state == "suspended"
    assert replicas(there) == {"front": 0, "aleph": 0, "beth": 0}
    assert there.objects[ASLEEP]["spec"]["hard"] == {"pods": "0"}, "whoever scales meanwhile gets no pod"
    assert register.place_of(there.objects[NAMESPACE], "/state").state == "suspended"
    assert woken(there, monkeypatch) == ["aleph", "front"]
    assert replicas(there) == {"front": 1, "aleph": 3, "beth": 0}
    assert ASLEEP not in there.objects
    assert not [item for item in there.objects.values() if sleeping.REPLICAS in item["metadata"].get("annotations", {})]


def test_what_a_deleted_deployment_has_left_running_sleeps_and_wakes(
    there: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`kubectl delete deployment --cascade=orphan`, which every student may type."""
    sets = "/apis/apps/v1/namespaces/anna/replicasets"
    there.put(f"{sets}/orphan", spec={"replicas": 2})
    owner = [{"kind": "Deployment", "name": "aleph"}]
    there.put(f"{sets}/aleph-1", metadata={"ownerReferences": owner}, spec={"replicas": 3})
    changing.suspend(there, ANNA, "blue", lambda _: None)
    assert there.objects[f"{sets}/orphan"]["spec"]["replicas"] == 0
    assert there.objects[f"{sets}/aleph-1"]["spec"]["replicas"] == 3, "its Deployment's business"
    assert woken(there, monkeypatch) == ["aleph", "front"], "what is waited for"
    assert there.objects[f"{sets}/orphan"]["spec"]["replicas"] == 2


PAUSED = [
    pytest.param({}, {"aleph-1": 3, "aleph-2": 1}, id="it runs, and sees to them"),
    pytest.param(
        {"paused": True, "strategy": {"type": "Recreate"}}, {"aleph-1": 0, "aleph-2": 0}, id="halfway, paused"
    ),
]


@pytest.mark.parametrize(("spec", "left"), PAUSED)
def test_a_paused_deployment_keeps_no_place_awake(there: Any, spec: dict[str, Any], left: dict[str, int]) -> None:
    """Paused halfway with the strategy Recreate, it scales none of its ReplicaSets: nobody else would."""
    sets = "/apis/apps/v1/namespaces/anna/replicasets"
    there.put(f"{DEPLOYMENTS}/aleph", spec={"replicas": 3, **spec})
    for name, owner, replicas in (("aleph-1", "aleph", 3), ("aleph-2", "aleph", 1), ("front-1", "front", 1)):
        owners = [{"kind": "Deployment", "name": owner}]
        there.put(f"{sets}/{name}", metadata={"ownerReferences": owners}, spec={"replicas": replicas})
    changing.suspend(there, ANNA, "blue", lambda _: None)
    found = {name: there.objects[f"{sets}/{name}"]["spec"]["replicas"] for name in ("aleph-1", "aleph-2", "front-1")}
    assert found == {**left, "front-1": 1}


GRACE = [
    pytest.param({}, [], id="it runs"),
    pytest.param({"deletionGracePeriodSeconds": 60}, [], id="as long as a pod may ask for"),
    pytest.param({"deletionGracePeriodSeconds": 86400}, [60], id="a day"),
]


@pytest.mark.parametrize(("metadata", "hurried"), GRACE)
def test_a_pod_that_was_deleted_with_a_day_to_end_in_ends_in_a_minute(
    there: Any, monkeypatch: pytest.MonkeyPatch, metadata: dict[str, Any], hurried: list[int]
) -> None:
    """`kubectl delete pod --grace-period=86400`, which every student may type."""
    there.put(f"{NAMESPACE}/pods/slow", metadata={**metadata, "namespace": "anna"})
    asked: list[int | None] = []
    monkeypatch.setattr(there, "delete", lambda path, grace_seconds=None: asked.append(grace_seconds))
    changing._ended(there, "anna")
    assert asked == hurried


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_a_pod_that_a_node_has_put_out_keeps_no_place_awake(there: Any, phase: str) -> None:
    """Its ReplicaSet counts it no more, so that nobody removes it when the place is scaled to nothing."""
    there.put(f"{NAMESPACE}/pods/evicted", status={"phase": phase, "reason": "Evicted"})
    assert changing.suspend(there, ANNA, "blue", lambda _: None).state == "suspended"
    assert register.place_of(there.objects[NAMESPACE], "/state").cause == ""


def test_who_is_killed_while_putting_it_to_sleep_forgets_nothing(there: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    merge, written = there.merge, list[str]()

    def killed(path: str, body: Any) -> Any:
        if len(written) == 1:
            raise KeyboardInterrupt
        written.append(path)
        return merge(path, body)

    monkeypatch.setattr(there, "merge", killed)
    with pytest.raises(KeyboardInterrupt):
        changing.suspend(there, ANNA, "blue", lambda _: None)
    monkeypatch.setattr(there, "merge", merge)
    changing.suspend(there, ANNA, "blue", lambda _: None)
    woken(there, monkeypatch)
    assert replicas(there) == {"front": 1, "aleph": 3, "beth": 0}


@pytest.mark.parametrize("step", range(6))
def test_half_asleep_it_is_not_ready(there: Any, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    register.note(there, places.changed(ANNA, state="ready"))
    left = [step]

    def mortal(write: Any) -> Any:
        def written(*given: Any) -> Any:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            return write(*given)

        return written

    with monkeypatch.context() as killed:
        for name in ("merge", "apply"):
            killed.setattr(there, name, mortal(getattr(there, name)))
        try:
            changing.suspend(there, ANNA, "blue", lambda _: None)
        except KeyboardInterrupt:
            place = register.place_of(there.objects[NAMESPACE], "/state")
            assert (place.state, bool(place.cause)) == (("suspended", True) if step else ("ready", False))


@pytest.mark.parametrize("had", ["", "none", "-3", "1.5", "1000000", "٣", "9" * 5000])
def test_a_place_wakes_whatever_its_student_has_written(there: Any, monkeypatch: pytest.MonkeyPatch, had: str) -> None:
    changing.suspend(there, ANNA, "blue", lambda _: None)
    there.objects[f"{DEPLOYMENTS}/aleph"]["metadata"]["annotations"][sleeping.REPLICAS] = had
    assert woken(there, monkeypatch) == ["aleph", "front"]
    assert replicas(there)["aleph"] == 1


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({}, "The namespace anna is somebody else's"),
        (owner_labels("green"), "The namespace anna is of the room green"),
        (owner_labels("blue"), "The namespace anna is the room's own, and no student's"),
        ({**owner_labels("blue"), register.STUDENT: "ben"}, "The namespace anna is the room's own, and no student's"),
    ],
)
def test_what_is_no_student_s_of_this_room_is_left_alone(api: Any, labels: dict[str, str], said: str) -> None:
    api.put(NAMESPACE, metadata={"labels": labels})
    api.put(f"{DEPLOYMENTS}/front", spec={"replicas": 1})
    for work in (changing.suspend, changing.remove):
        with pytest.raises(WorkshopError, match=said):
            work(api, ANNA, "blue", lambda _: None)
    assert api.requests == []
    assert api.objects[f"{DEPLOYMENTS}/front"]["spec"] == {"replicas": 1}


def test_files_of_a_place_that_is_gone_are_found(tmp_path: Path) -> None:
    assert list(changing.leftovers(str(tmp_path), [])) == []
    for name in ("anna", "ben"):
        (tmp_path / "students" / name).mkdir(parents=True)
    (tmp_path / "students" / "file").touch()
    (tmp_path / "students" / "lost+found").mkdir()
    assert [place.name for place in changing.leftovers(str(tmp_path), ["ben"])] == ["anna"]


KINDS = {
    "/api/v1": [
        ("configmaps", "ConfigMap"),
        ("services", "Service"),
        ("persistentvolumeclaims", "PersistentVolumeClaim"),
    ],
    "/apis/apps/v1": [("deployments", "Deployment"), ("replicasets", "ReplicaSet")],
}
OWNER = [{"apiVersion": "v1", "kind": "ConfigMap", "name": "kube-root-ca.crt", "uid": "u"}]


def test_a_place_is_emptied_whatever_its_student_has_written(there: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, kinds in KINDS.items():
        resources = [
            {"name": name, "kind": kind, "namespaced": True, "verbs": ["list", "delete"]} for name, kind in kinds
        ]
        there.objects[path] = {"resources": resources}
    there.objects["/apis"] = {"groups": [{"name": "apps", "preferredVersion": {"version": "v1"}}]}
    items = there.items
    monkeypatch.setattr(there, "items", lambda path, **query: items(path, **query) if known(there, path) else [])
    listed: dict[str, dict[str, Any]] = {
        f"{DEPLOYMENTS}/held": {"finalizers": ["example.org/never"]},
        f"{DEPLOYMENTS}/owned": {"ownerReferences": OWNER},
        "/apis/apps/v1/namespaces/anna/replicasets/made": {"ownerReferences": OWNER},
        f"{NAMESPACE}/configmaps/kube-root-ca.crt": {},
        f"{NAMESPACE}/services/front": {},
    }
    for path, metadata in listed.items():
        there.put(path, metadata={**metadata, "namespace": "anna"})
    pod = there.put(f"{NAMESPACE}/pods/held", metadata={"finalizers": ["example.org/never"], "ownerReferences": OWNER})
    delete = there.delete

    def deleted(path: str, grace_seconds: int | None = None) -> None:
        there.requests.append(("delete", path))
        if not there.objects.get(path, pod)["metadata"].get("finalizers"):
            delete(path, grace_seconds)

    monkeypatch.setattr(there, "delete", deleted)
    for path in [key for key in there.objects if key.startswith(DEPLOYMENTS)]:
        there.objects[path]["metadata"]["namespace"] = "anna"
    changing._empty(there, "anna", lambda found: found.kind == "Service", lambda _: None)
    left = [path for path in there.objects if path.startswith((f"{NAMESPACE}/", "/apis/apps/v1/namespaces/anna/"))]
    assert left == [
        "/apis/apps/v1/namespaces/anna/replicasets/made",
        f"{NAMESPACE}/configmaps/kube-root-ca.crt",
        f"{NAMESPACE}/services/front",
    ]


def known(api: Any, path: str) -> bool:
    return any(key.rpartition("/")[0] == path for key in api.objects)


@pytest.mark.parametrize("work", ["reset", "remove"])
def test_a_student_makes_nothing_anew_while_the_place_is_emptied(
    there: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, work: str
) -> None:
    rights = "/apis/rbac.authorization.k8s.io/v1/namespaces/anna/rolebindings/student"
    there.put(rights)
    held: list[bool] = []
    monkeypatch.setattr(changing, "_empty", lambda *_: held.append(rights not in there.objects))
    monkeypatch.setattr(changing, "_labelled", lambda *_: [])
    monkeypatch.setattr(making, "make", lambda api, place, *_: place)
    place = places.of_student("anna", str(tmp_path))
    if work == "remove":
        changing.remove(there, place, "blue", lambda _: None)
    else:
        course = making.Class("blue", "staging", [], [], {}, 24, "", 1)
        changing.reset(there, place, course, None, lambda _: None)  # type: ignore[arg-type]
    assert held == [True]


def test_pods_of_a_node_that_does_not_answer_are_waited_for_by_nobody(
    there: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its kubelet never says that they have ended."""
    silent = {"conditions": [{"type": "Ready", "status": "Unknown"}]}
    there.put("/api/v1/nodes/worker-1", status=silent)
    ending = {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 30}
    there.put(f"{NAMESPACE}/pods/front-1", metadata=ending, spec={"nodeName": "worker-1"}, status={"phase": "Running"})
    delete = there.delete

    def kept_by_its_kubelet(path: str, grace_seconds: int | None = None) -> None:
        if "/pods/" not in path or grace_seconds == 0:
            delete(path, grace_seconds)

    monkeypatch.setattr(there, "delete", kept_by_its_kubelet)
    assert changing.suspend(there, ANNA, "blue", lambda _: None).state == "suspended"
    assert there.graces == {f"{NAMESPACE}/pods/front-1": 0}


def test_of_whose_namespace_is_somebody_else_s_only_what_is_ours_goes(api: Any, tmp_path: Path) -> None:
    ours = {**owner_labels("blue"), register.STUDENT: "anna"}
    rights = "/apis/rbac.authorization.k8s.io/v1"
    api.put(NAMESPACE, metadata={"labels": {"whose": "a neighbour's"}})
    for where in ("build", "anna"):
        api.put(f"{rights}/rolebindings/{where}", metadata={"namespace": where, "labels": ours})
    place = places.changed(places.of_student("anna", str(tmp_path)), taken=True)
    Path(place.directory).mkdir(parents=True)
    changing.remove(api, place, "blue", lambda _: None)
    assert api.requests == [("delete", f"{rights}/namespaces/build/rolebindings/build")]
    assert not Path(place.directory).exists()
