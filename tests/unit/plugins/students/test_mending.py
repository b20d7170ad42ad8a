"""A place is put right whatever was done to it; what is in nobody's way stays."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.appliance import Paths
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import labelled
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import mending
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.mending import Mended, Mending

HOME = "/api/v1/namespaces/anna"
DEPLOYMENTS = "/apis/apps/v1/namespaces/anna/deployments"
ISTIO = "/apis/networking.istio.io/v1"
RESOURCES = {
    "/api/v1": [
        ("namespaces", "Namespace", False),
        ("pods", "Pod", True),
        ("services", "Service", True),
        ("configmaps", "ConfigMap", True),
        ("persistentvolumeclaims", "PersistentVolumeClaim", True),
    ],
    "/apis/apps/v1": [("deployments", "Deployment", True), ("replicasets", "ReplicaSet", True)],
    "/apis/networking.k8s.io/v1": [("networkpolicies", "NetworkPolicy", True)],
    ISTIO: [("virtualservices", "VirtualService", True), ("sidecars", "Sidecar", True)],
}
SERVICES: list[dict[str, Any]] = [
    {"name": "front"},
    {"name": "mongo"},
    {"name": "aleph", "candidate": "0.3", "versions": ["0.1"], "port": 80, "callers": ["front"]},
]


def deployment(name: str, app: str, image: str, **pod: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "anna", "labels": {"app": app}},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": app, "image": image}], **pod}}},
    }


def item(version: str, kind: str, name: str, **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, **({} if kind == "Namespace" else {"namespace": "anna"})}
    return {"apiVersion": version, "kind": kind, "metadata": {**metadata, **fields.pop("metadata", {})}, **fields}


VOLUME = {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "mongo-data"}}]}
OBJECTS = [
    labelled(each, "blue")
    for each in (
        item("v1", "Namespace", "anna", metadata={"labels": {"istio-injection": "enabled"}}),
        item("networking.k8s.io/v1", "NetworkPolicy", "front", spec={"podSelector": {"app": "front"}}),
        item("networking.istio.io/v1", "Sidecar", "default", spec={"egress": []}),
        item("v1", "PersistentVolumeClaim", "mongo-data", spec={"size": "1Gi"}),
        item("v1", "Service", "aleph", spec={"selector": {"app": "aleph"}}),
        deployment("front-v03", "front", "registry/front:0.3@sha256:f"),
        deployment("mongo", "mongo", "registry/mongo:1", **VOLUME),
        deployment("aleph-v01", "aleph", "registry/aleph:0.1@sha256:a"),
    )
]
VERSIONS = [labelled(deployment(f"aleph-v0{tag}", "aleph", f"registry/aleph:0.{tag}"), "blue") for tag in (1, 3)]


class Images:
    def digest(self, name: str, tag: str) -> str:
        return {"aleph:0.1": "sha256:a", "aleph:0.3": "sha256:c"}[f"{name}:{tag}"]


class Cluster:
    """anna's place as it is meant to be, in a cluster that answers."""

    def __init__(self, api: Any, copies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.api, self.copies = api, copies
        groups = [path.removeprefix("/apis/").split("/") for path in RESOURCES if path.startswith("/apis/")]
        told = [{"name": group, "preferredVersion": {"version": version}} for group, version in groups]
        api.objects["/apis"] = {"groups": told}
        for path, kinds in RESOURCES.items():
            verbs = ["list", "delete", "get"]
            api.objects[path] = {
                "resources": [
                    {"name": name, "kind": kind, "namespaced": own, "verbs": verbs} for name, kind, own in kinds
                ]
            }
        # A list that is empty is one, too.
        get = api.get
        empty: dict[str, list[Any]] = {"items": []}
        listed = {name for kinds in RESOURCES.values() for name, _, _ in kinds}
        monkeypatch.setattr(
            api,
            "get",
            lambda path, **query: (
                get(path, **query) if path in api.objects or self._has(path) else self._none(path, listed, empty, get)
            ),
        )
        # Whatever is written has a version.
        for write in ("apply", "replace"):
            monkeypatch.setattr(api, write, self._versioned(getattr(api, write)))
        self.paths = Paths()
        self.paths.learn(api, OBJECTS)
        for each in OBJECTS:
            api.objects[self.paths.of(each)] = self.live(each)
        monkeypatch.setattr(mending, "Rollouts", lambda *_: self)
        self.waited: list[str] = []

    def _versioned(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def written(path: str, body: Any) -> Any:
            write(path, body)
            self.api.objects[path]["metadata"]["resourceVersion"] = "8"
            return copy.deepcopy(self.api.objects[path])

        return written

    def _has(self, path: str) -> bool:
        return any(key.rpartition("/")[0] == path for key in self.api.objects)

    def _none(self, path: str, listed: set[str], empty: Any, get: Callable[..., Any]) -> Any:
        return empty if path.rpartition("/")[2] in listed else get(path)

    def live(self, each: Any) -> Any:
        return {
            **copy.deepcopy(each),
            "metadata": {**copy.deepcopy(each["metadata"]), "resourceVersion": "7", "uid": "u"},
        }

    def wait(self, names: list[str], _: float) -> None:
        self.waited += names

    def put(self, path: str, version: str, kind: str, **fields: Any) -> None:
        self.api.objects[path] = self.live(item(version, kind, path.rpartition("/")[2], **fields))

    def mend(self) -> Mended:
        objects: Any = Images()
        arguments = (OBJECTS, VERSIONS, SERVICES, objects, self.copies, lambda _: None)
        return Mending(self.api, self.paths, "anna", *arguments).run()


@pytest.fixture
def cluster(api: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster(api, tmp_path / "taken-over", monkeypatch)
    made.mend()
    made.api.requests.clear()
    made.waited.clear()
    return made


def spec(cluster: Cluster, name: str) -> Any:
    return cluster.api.objects[f"{DEPLOYMENTS}/{name}"]["spec"]


def test_a_place_that_is_right_stays_as_it_is(cluster: Cluster) -> None:
    done = cluster.mend()
    assert (done.changed, done.removed, done.left) == ([], [], [])
    assert sorted(cluster.waited) == ["front-v03", "mongo"]
    # Whether a version runs is the stage's business.
    assert f"{DEPLOYMENTS}/aleph-v03" not in cluster.api.objects


def scaled(cluster: Cluster) -> None:
    spec(cluster, "mongo")["replicas"] = 0


def another_image(cluster: Cluster) -> None:
    spec(cluster, "aleph-v01")["template"]["spec"]["containers"][0]["image"] = "registry/aleph:0.2"


def a_command(cluster: Cluster) -> None:
    spec(cluster, "front-v03")["template"]["spec"]["containers"][0]["command"] = ["false"]


def another_selector(cluster: Cluster) -> None:
    cluster.api.objects[f"{HOME}/services/aleph"]["spec"]["selector"] = {"app": "nobody"}


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (scaled, "Deployment mongo"),
        (another_image, "Deployment aleph-v01"),
        (a_command, "Deployment front-v03"),
        (another_selector, "Service aleph"),
        (lambda c: c.api.objects.pop(f"{HOME}/services/aleph"), "Service aleph"),
        (lambda c: c.api.objects.pop(f"{DEPLOYMENTS}/mongo"), "Deployment mongo"),
        (
            lambda c: c.api.objects.pop("/apis/networking.k8s.io/v1/namespaces/anna/networkpolicies/front"),
            "NetworkPolicy front",
        ),
        (lambda c: c.api.objects.pop(f"{ISTIO}/namespaces/anna/sidecars/default"), "Sidecar default"),
        (lambda c: c.api.objects[HOME]["metadata"]["labels"].update({"istio-injection": "no"}), "Namespace anna"),
    ],
)
def test_what_is_ours_becomes_what_it_is_meant_to_be(
    cluster: Cluster, harm: Callable[[Cluster], Any], named: str
) -> None:
    meant = copy.deepcopy({path: each.get("spec") for path, each in cluster.api.objects.items()})
    harm(cluster)
    assert cluster.mend().changed == [named]
    assert {path: each.get("spec") for path, each in cluster.api.objects.items()} == meant
    assert cluster.mend().changed == []


def test_istiod_may_restart_meanwhile(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    path, replace = f"{ISTIO}/namespaces/anna/sidecars/default", cluster.api.replace
    cluster.api.objects[path]["spec"] = {"egress": [{"hosts": ["./*"]}]}
    unjudged = [KubernetesError("not now", 500, said="failed calling webhook: connection reset")]

    def write(path: str, body: Any) -> Any:
        if unjudged:
            raise unjudged.pop()
        return replace(path, body)

    monkeypatch.setattr(cluster.api, "replace", write)
    assert cluster.mend().changed == ["Sidecar default"]
    assert cluster.api.objects[path]["spec"] == {"egress": []}


@pytest.mark.parametrize(
    ("path", "version", "kind"),
    [
        (f"{DEPLOYMENTS}/nginx", "apps/v1", "Deployment"),
        (f"{DEPLOYMENTS}/{'x' * 253}", "apps/v1", "Deployment"),
        (f"{HOME}/pods/stray", "v1", "Pod"),
        ("/apis/networking.k8s.io/v1/namespaces/anna/networkpolicies/deny", "networking.k8s.io/v1", "NetworkPolicy"),
        (f"{ISTIO}/namespaces/anna/sidecars/narrow", "networking.istio.io/v1", "Sidecar"),
    ],
)
def test_what_is_in_the_way_goes_and_a_copy_is_kept(cluster: Cluster, path: str, version: str, kind: str) -> None:
    cluster.put(path, version, kind, spec={"containers": []})
    done = cluster.mend()
    name = path.rpartition("/")[2]
    assert done.removed == [f"{kind} {name}"]
    assert path not in cluster.api.objects
    assert [each.name for each in cluster.copies.iterdir() if each.name.startswith(f"{kind.lower()}-anna-{name}"[:150])]


def test_who_says_that_a_deployment_is_another_s_does_not_keep_it(cluster: Cluster) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "kube-root-ca.crt", "uid": "u"}
    cluster.put(f"{DEPLOYMENTS}/nginx", "apps/v1", "Deployment", spec={}, metadata={"ownerReferences": [owner]})
    cluster.put(f"{HOME}/pods/front-v03-x", "v1", "Pod", spec={}, metadata={"ownerReferences": [owner]})
    cluster.put("/apis/apps/v1/namespaces/anna/replicasets/kube-root-ca.crt", "apps/v1", "ReplicaSet")
    cluster.api.objects["/apis/apps/v1/namespaces/anna/replicasets/kube-root-ca.crt"]["metadata"]["ownerReferences"] = [
        {"kind": "Deployment", "name": "front-v03", "uid": "u"}
    ]
    assert cluster.mend().removed == ["Deployment nginx"]


def test_what_is_in_nobody_s_way_is_named_and_stays(cluster: Cluster) -> None:
    cluster.put(f"{HOME}/configmaps/notes", "v1", "ConfigMap")
    cluster.put(f"{ISTIO}/namespaces/anna/virtualservices/mine", "networking.istio.io/v1", "VirtualService", spec={})
    cluster.put(f"{HOME}/configmaps/kube-root-ca.crt", "v1", "ConfigMap")
    done = cluster.mend()
    # Routes are the business of the stage, which tells what it takes over.
    assert (done.left, done.removed) == (["ConfigMap notes"], [])
    assert done.told == ["Left, as the student's own: ConfigMap notes."]


def test_a_pod_without_a_proxy_is_replaced(cluster: Cluster) -> None:
    owner = {"ownerReferences": [{"kind": "ReplicaSet", "name": "aleph-v01-x"}]}
    bare, meshed = (
        {"containers": [{"name": "aleph"}]},
        {"containers": [], "initContainers": [{"name": "istio-proxy"}]},
    )
    cluster.put(f"{HOME}/pods/bare", "v1", "Pod", metadata=owner, spec=bare)
    cluster.put(f"{HOME}/pods/meshed", "v1", "Pod", metadata=owner, spec=meshed)
    cluster.mend()
    assert f"{HOME}/pods/bare" not in cluster.api.objects
    assert f"{HOME}/pods/meshed" in cluster.api.objects


@pytest.mark.parametrize(
    ("path", "kind", "anew"),
    [
        (f"{ISTIO}/namespaces/anna/sidecars/narrow", "Sidecar", ["front"]),
        (f"{ISTIO}/namespaces/anna/sidecars/default", "Sidecar", ["front"]),
        ("/apis/networking.k8s.io/v1/namespaces/anna/networkpolicies/deny", "NetworkPolicy", []),
    ],
)
def test_who_calls_through_a_proxy_whose_listeners_were_another_s_is_made_anew(
    cluster: Cluster, path: str, kind: str, anew: list[str]
) -> None:
    """Envoy resets connections until it has drained the old ones: the stage that follows would lose them."""
    for app, owner in {"front": "front-v03", "mongo": "mongo"}.items():
        sets = f"/apis/apps/v1/namespaces/anna/replicasets/{app}-x"
        deployment = {"kind": "Deployment", "name": owner, "uid": "u"}
        cluster.put(sets, "apps/v1", "ReplicaSet", metadata={"ownerReferences": [deployment]})
        metadata = {"labels": {"app": app}, "ownerReferences": [{"kind": "ReplicaSet", "name": f"{app}-x"}]}
        meshed = {"containers": [], "initContainers": [{"name": "istio-proxy"}]}
        cluster.put(f"{HOME}/pods/{app}", "v1", "Pod", metadata=metadata, spec=meshed)
    cluster.mend()
    assert [f"{HOME}/pods/{app}" in cluster.api.objects for app in ("front", "mongo")] == [True, True]
    cluster.put(path, "networking.istio.io/v1", kind, spec={"egress": ["istio-system/*"]})
    done = cluster.mend()
    assert [app for app in ("front", "mongo") if f"{HOME}/pods/{app}" not in cluster.api.objects] == anew
    told = [f"Pod {app}, which would lose requests until its proxy has drained" for app in anew]
    assert [each for each in done.changed if each.startswith("Pod ")] == told


def test_what_is_replaced_has_gone_before_its_deployment_is_looked_at(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which may count it among those that are ready until then."""
    bare, found, there = f"{HOME}/pods/bare", cluster.api.find, list[bool]()
    owner = {"ownerReferences": [{"kind": "ReplicaSet", "name": "load-x"}]}
    cluster.put(bare, "v1", "Pod", metadata=owner, spec={"containers": [{"name": "load"}]})
    looks = iter([True, True])

    def find(path: str) -> Any:
        if path == bare and not next(looks, False):
            cluster.api.objects.pop(bare, None)
        return found(path)

    cluster.api.find, cluster.api.delete = find, lambda *_: None
    monkeypatch.setattr(cluster, "wait", lambda *_: there.append(bare in cluster.api.objects))
    cluster.mend()
    assert there == [False]


def test_a_volume_that_was_deleted_is_made_anew_with_its_database(cluster: Cluster) -> None:
    path = f"{HOME}/persistentvolumeclaims/mongo-data"
    cluster.api.objects[path]["metadata"]["deletionTimestamp"] = "now"
    cluster.put(f"{HOME}/pods/mongo-x", "v1", "Pod", metadata={"ownerReferences": [{"name": "x"}]}, spec=VOLUME)
    delete = cluster.api.delete

    def held(gone: str, *arguments: Any) -> None:
        delete(gone, *arguments)
        if gone == f"{HOME}/pods/mongo-x":
            cluster.api.objects.pop(path)

    cluster.api.delete = held
    assert set(cluster.mend().changed) == {"PersistentVolumeClaim mongo-data", "Deployment mongo"}
    assert "deletionTimestamp" not in cluster.api.objects[path]["metadata"]


def test_a_place_that_is_going_is_left_alone(cluster: Cluster) -> None:
    cluster.api.objects[HOME]["metadata"]["deletionTimestamp"] = "now"
    with pytest.raises(WorkshopError, match="is being deleted"):
        cluster.mend()
    assert cluster.api.requests == []


SILENT = {"conditions": [{"type": "Ready", "status": "Unknown"}]}


def test_pods_of_a_node_that_does_not_answer_come_back_elsewhere(cluster: Cluster) -> None:
    """Kubernetes waits five minutes before it thinks of it, and for ever until they have ended."""
    cluster.api.put("/api/v1/nodes/worker-1", status=SILENT)
    # Neither is a Deployment's here.
    for name, node in (("front-1", "worker-1"), ("aleph-1", "control-plane")):
        cluster.api.put(f"{HOME}/pods/{name}", spec={"nodeName": node, "containers": [{"name": "istio-proxy"}]})
    done = cluster.mend()
    assert done.changed == ["Pod front-1, whose node worker-1 does not answer"]
    assert cluster.api.graces[f"{HOME}/pods/front-1"] == 0
    assert cluster.api.graces[f"{HOME}/pods/aleph-1"] == mending.GRACE_SECONDS, "somebody's own, which the kubelet ends"


def test_nothing_is_changed_when_the_data_are_on_such_a_node(cluster: Cluster) -> None:
    cluster.api.put("/api/v1/nodes/worker-1", status=SILENT)
    match = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["worker-1"]}
    spec = {
        "claimRef": {"namespace": "anna", "name": "mongo-data"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [match]}]}},
    }
    cluster.api.put("/api/v1/persistentvolumes/pvc-1", spec=spec, status={"phase": "Bound"})
    cluster.api.put(f"{HOME}/pods/front-1", spec={"nodeName": "worker-1"})
    with pytest.raises(WorkshopError, match="mongo-data in anna are on worker-1, a node that does not answer"):
        cluster.mend()
    assert cluster.api.requests == []
