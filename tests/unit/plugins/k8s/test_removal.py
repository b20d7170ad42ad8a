"""What goes with a guest, and what stays with a sentence."""

from __future__ import annotations

from typing import Any, cast

import pytest
from tests.unit.plugins.k8s.test_mesh import CANARY, DEFAULT, DEFINITION, home, istiod

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import removal
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.contents import Found, kinds
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.mesh import Mesh
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import owner_labels
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.removal import (
    Cluster,
    Plan,
    carry_out,
    plan,
    plan_applications,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.waiting import Waiting


def namespace(name: str, room: str | None = None, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {**(owner_labels(room) if room is not None else {}), **labels}}}


def found(kind: str, name: str, where: str, room: str | None = None, **more: Any) -> Found:
    metadata = {"name": name, "namespace": where, "labels": owner_labels(room) if room is not None else {}}
    metadata |= more.pop("metadata", {})
    return Found(f"/{kind}/{where}/{name}", kind, {"metadata": metadata, **more})


SHOP = namespace("shop", "blue")
BY_ITSELF = [
    found("ConfigMap", "kube-root-ca.crt", "shop"),
    found("ServiceAccount", "default", "shop"),
    found("Pod", "front-1", "shop", metadata={"ownerReferences": [{"kind": "ReplicaSet"}]}),
    found("EndpointSlice", "front-x", "shop"),
]
FRONT = found("Deployment", "front", "shop", "blue")
THEIRS = found("Deployment", "theirs", "shop")
OTHER_ROOMS = found("Deployment", "greens", "shop", "green")


@pytest.mark.parametrize(
    ("namespaces", "contents", "gone", "objects", "stays"),
    [
        ([], {}, [], [], []),
        ([namespace("legacy")], {}, [], [], []),
        ([SHOP, namespace("legacy")], {"shop": [*BY_ITSELF, FRONT]}, ["shop"], [], []),
        (
            [SHOP],
            {"shop": [FRONT, THEIRS]},
            [],
            ["Deployment shop/front"],
            ["stays, for what somebody else has put"],
        ),
        (
            [SHOP],
            {"shop": [FRONT, OTHER_ROOMS]},
            [],
            ["Deployment shop/front"],
            ["somebody else has put there: Deployment shop/greens."],
        ),
        ([namespace("shop", "green")], {}, [], [], ["Namespace shop stays: it is of the room green"]),
        ([namespace("shop", "")], {}, [], [], ["Namespace shop stays: it is of a workshop, not of the room blue"]),
        ([{"metadata": {**SHOP["metadata"], "deletionTimestamp": "2026-01-01"}}], {}, [], [], []),
    ],
)
def test_namespaces_go_when_all_in_them_is_ours(
    namespaces: list[dict[str, Any]],
    contents: dict[str, list[Found]],
    gone: list[str],
    objects: list[str],
    stays: list[str],
) -> None:
    made = plan(Cluster(namespaces=namespaces, contents=contents), "blue")
    assert (made.namespaces, [str(each) for each in made.objects]) == (gone, objects)
    assert len(made.stays) == len(stays)
    assert all(part in sentence for part, sentence in zip(stays, made.stays, strict=True))


@pytest.mark.parametrize(
    ("names", "with_others", "gone", "objects", "stays"),
    [
        (["shop"], True, ["shop"], [], []),
        (["shop"], False, [], ["Deployment shop/front"], ["stays, for what somebody else has put"]),
        (["coins"], True, ["coins"], [], []),
        (["theirs", "legacy", "nowhere"], True, [], [], ["Namespace theirs stays: it is of the room green"]),
    ],
)
def test_applications_go_and_nothing_beside_them(
    names: list[str], with_others: bool, gone: list[str], objects: list[str], stays: list[str]
) -> None:
    namespaces = [SHOP, namespace("coins", "blue"), namespace("theirs", "green"), namespace("legacy"), home()]
    cluster = Cluster(namespaces=namespaces, contents={"shop": [FRONT, THEIRS]}, mesh=OURS, definitions=DEFINITIONS)
    made = plan_applications(cluster, "blue", names, with_others)
    assert (made.namespaces, [str(each) for each in made.objects]) == (gone, objects)
    assert (made.mesh, made.definitions) == (False, [])
    assert all(part in sentence for part, sentence in zip(stays, made.stays, strict=True))


OURS = Mesh(home(), [istiod()], [DEFAULT], [], DEFINITION)
DEFINITIONS = ["virtualservices.networking.istio.io"]
ISTIOS = [
    found("ConfigMap", "istio", "istio-system", metadata={"labels": {"operator.istio.io/managed": "Reconcile"}}),
    found("ConfigMap", "istio-leader", "istio-system"),
    found("Secret", "istio-ca-secret", "istio-system"),
]
ROUTE = found("VirtualService", "aleph", "shop", "blue")
KIALI = found("Deployment", "kiali", "istio-system")
DEFAULTS = found("DestinationRule", "default", "istio-system")
BOOKINFO = found("VirtualService", "reviews", "legacy")
INJECTED = {"istio-injection": "enabled"}


@pytest.mark.parametrize(
    ("mesh", "others", "in_home", "routing", "mesh_goes", "home_goes", "definitions_go", "stays"),
    [
        (OURS, [], ISTIOS, [ROUTE], True, True, True, []),
        (OURS, [], [*ISTIOS, KIALI], [ROUTE], True, False, True, ["istio-system stays"]),
        (
            OURS,
            [],
            [*ISTIOS, DEFAULTS],
            [DEFAULTS],
            True,
            False,
            False,
            ["istio-system stays", "Definitions stay"],
        ),
        (OURS, [namespace("legacy")], ISTIOS, [BOOKINFO], True, True, False, ["VirtualService legacy/reviews"]),
        (OURS, [namespace("legacy", **INJECTED)], ISTIOS, [], False, False, False, ["namespace legacy uses it"]),
        # Another room of this project, which uses what is there; a gateway whose pods ask for a proxy themselves.
        (
            OURS,
            [namespace("other", "green", **INJECTED)],
            ISTIOS,
            [],
            False,
            False,
            False,
            ["of the room green", "namespace other uses it"],
        ),
        (OURS, [namespace("gateways")], ISTIOS, [], False, False, False, ["namespace gateways uses it"]),
        (
            Mesh(home(), [istiod(), istiod("canary")], [DEFAULT, CANARY], [], DEFINITION),
            [],
            ISTIOS,
            [],
            True,
            False,
            False,
            ["Deployment istiod-canary", "other revision"],
        ),
        (Mesh(home(identity=""), [istiod()], [DEFAULT]), [], [], [], False, False, False, ["has not installed it"]),
        (Mesh(home("green"), [istiod()], [DEFAULT]), [], [], [], False, False, False, ["has not installed it"]),
        (Mesh(None, [istiod("canary", "mesh")], [CANARY]), [], [], [], False, False, False, ["has not installed it"]),
    ],
)
def test_istio_goes_when_it_is_ours_and_nobody_uses_it(
    mesh: Mesh,
    others: list[dict[str, Any]],
    in_home: list[Found],
    routing: list[Found],
    mesh_goes: bool,
    home_goes: bool,
    definitions_go: bool,
    stays: list[str],
) -> None:
    namespaces = [SHOP, *([mesh.namespace] if mesh.namespace else []), *others]
    cluster = Cluster(
        namespaces, {"shop": [FRONT], "istio-system": in_home}, mesh, routing, DEFINITIONS, proxied={"gateways"}
    )
    made = plan(cluster, "blue")
    assert made.mesh is mesh_goes
    assert ("istio-system" in made.namespaces) is home_goes
    assert bool(made.definitions) is definitions_go
    assert len(made.stays) == len(stays)
    assert all(part in sentence for part, sentence in zip(stays, made.stays, strict=True))


@pytest.mark.parametrize(
    ("policy", "claimed", "told"), [("Retain", "shop", True), ("Delete", "shop", False), ("Retain", "legacy", False)]
)
def test_volumes_that_are_retained_are_told(policy: str, claimed: str, told: bool) -> None:
    spec = {"persistentVolumeReclaimPolicy": policy, "claimRef": {"namespace": claimed, "name": "mongo-data"}}
    volumes = [{"metadata": {"name": "pv-1"}, "spec": spec}]
    made = plan(Cluster([SHOP], {"shop": [FRONT]}, volumes=volumes), "blue")
    assert ["kubectl delete persistentvolume pv-1" in sentence for sentence in made.stays] == [True] * told


def test_what_goes_is_said_as_people_do() -> None:
    cluster = Cluster([SHOP, home()], {"shop": [FRONT], "istio-system": ISTIOS}, OURS, [ROUTE], DEFINITIONS)
    assert plan(cluster, "blue").removals() == [
        "Namespace shop, with everything in it",
        "Namespace istio-system, with everything in it",
        "Istio's revision default, which the room has installed",
        "1 CustomResourceDefinitions of Istio",
    ]


WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
EMPTY = (
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
)


class Istioctl:
    """Counts how often Istio was uninstalled."""

    uninstalled = 0

    def uninstall(self) -> None:
        self.uninstalled += 1


@pytest.mark.parametrize("mesh", [True, False])
def test_a_plan_is_carried_out_and_no_more(api: Any, mesh: bool) -> None:
    managed = {"operator.istio.io/managed": "Reconcile"}
    for path in (*EMPTY, WEBHOOKS, ROLES):
        api.put(f"{path}/theirs", metadata={"labels": {**managed, "istio.io/rev": "canary"}})
    api.put(f"{WEBHOOKS}/istio-revision-tag-default", metadata={"labels": {**managed, "istio.io/rev": "default"}})
    api.put("/api/v1/namespaces/shop")
    api.put("/api/v1/namespaces/legacy")
    istioctl = Istioctl()
    api.put(
        "/api/v1/configmaps/istio-ca-root-cert", metadata={"namespace": "legacy", "labels": {"istio.io/config": "true"}}
    )
    api.put("/api/v1/configmaps/prices", metadata={"namespace": "legacy"})
    made = Plan(namespaces=["shop"], objects=[FRONT], mesh=mesh, definitions=DEFINITIONS * mesh)
    carry_out(made, api, cast(Any, istioctl), Waiting(api, lambda text: None), timeout=5)
    assert istioctl.uninstalled == mesh
    deleted = [path for verb, path in api.requests if verb == "delete"]
    tag = [f"{WEBHOOKS}/istio-revision-tag-default"] if mesh else []
    certificate = ["/api/v1/namespaces/legacy/configmaps/istio-ca-root-cert"] if mesh else []
    definitions = [f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}" for name in DEFINITIONS * mesh]
    assert deleted == [FRONT.path, *tag, *certificate, *definitions, "/api/v1/namespaces/shop"]


def test_every_kind_is_found_once_whatever_versions_it_has(api: Any) -> None:
    kind = {"namespaced": True, "verbs": ["list", "delete"]}
    group = {"name": "n.istio.io", "preferredVersion": {"version": "v1"}, "versions": [{"version": "v2"}]}
    api.put("/apis", groups=[group])
    api.put(
        "/api/v1", resources=[{"name": "pods", "kind": "Pod", **kind}, {"name": "nodes", "kind": "Node", "verbs": []}]
    )
    api.put("/apis/n.istio.io/v1", resources=[{"name": "routes", "kind": "Route", **kind}])
    more = [{"name": "routes", "kind": "Route", **kind}, {"name": "filters", "kind": "Filter", **kind}]
    api.put("/apis/n.istio.io/v2", resources=more)
    assert [f"{each.version} {each.plural}" for each in kinds(api)] == ["v1 pods", "v1 routes", "v2 filters"]


@pytest.mark.parametrize(("with_others", "contents"), [(True, {}), (False, {"shop": ["Pod shop/theirs"]})])
def test_of_an_application_only_its_own_namespaces_are_read(
    api: Any, with_others: bool, contents: dict[str, list[str]]
) -> None:
    verbs = {"namespaced": True, "verbs": ["list", "delete"]}
    api.put("/apis", groups=[])
    api.put("/api/v1", resources=[{"name": "pods", "kind": "Pod", **verbs}])
    for item in (SHOP, namespace("coins", "blue")):
        api.put(f"/api/v1/namespaces/{item['metadata']['name']}", **item)
    api.put("/api/v1/persistentvolumes/pv-1", metadata={"name": "pv-1"})
    api.put("/api/v1/namespaces/shop/pods/theirs", metadata={"name": "theirs", "namespace": "shop"})
    cluster = Cluster.read_applications(api, "blue", ["shop"], with_others)
    assert [item["metadata"]["name"] for item in cluster.namespaces] == ["shop"]
    assert {home: list(map(str, found)) for home, found in cluster.contents.items()} == contents


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies", "ValidatingAdmissionPolicy"),
        ("/apis/rbac.authorization.k8s.io/v1/clusterroles", "ClusterRole"),
        ("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", "ClusterRoleBinding"),
    ],
)
def test_what_a_class_has_for_the_whole_cluster_goes_with_the_room(api: Any, path: str, kind: str) -> None:
    for name, room in (("blue-student", "blue"), ("green-student", "green"), ("kube-router", "")):
        api.put(f"{path}/{name}", metadata={"labels": owner_labels(room)})
    api.put(f"{path}/theirs")
    found = list(removal._cluster_wide(api))  # the other kinds: a cluster that does not know them has none
    assert [str(item) for item in plan(Cluster(cluster_wide=found), "blue").objects] == [f"{kind} blue-student"]
