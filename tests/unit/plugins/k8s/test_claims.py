"""Whoever owns something that we would change is told, with what to type; what is ours or absent is no problem."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plugins.k8s.test_mesh import CANARY, DEFAULT, DEFINITION, OURS, istiod

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.claims import (
    Asker,
    Claims,
    Cluster,
    Namespace,
    NodePort,
    Volume,
    of_application,
    problems,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.mesh import Mesh
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import owner_labels

BLUE = Asker("blue")


def item(name: str, room: str | None = None, namespace: str = "", **more: Any) -> dict[str, Any]:
    """An object; with a room, it bears our labels."""
    metadata: dict[str, Any] = {"name": name, "managedFields": [{"manager": "kubectl-create"}]}
    if namespace:
        metadata["namespace"] = namespace
    if room is not None:
        metadata["labels"] = owner_labels(room)
    metadata |= more.pop("metadata", {})
    return {"metadata": metadata, **more}


def service(name: str, *ports: int, room: str | None = None, health: int = 0) -> dict[str, Any]:
    spec = {"ports": [{"port": 80, "nodePort": port} for port in ports], "healthCheckNodePort": health}
    return item(name, room, "shop", spec=spec)


STAGING = Claims(namespaces=[Namespace("staging", "workshop_namespace")])
FIXED = Claims(namespaces=[Namespace("dockercoins")])
HELM = {"labels": {"app.kubernetes.io/managed-by": "Helm"}}


@pytest.mark.parametrize(
    ("claims", "namespaces", "parts"),
    [
        (STAGING, [], []),
        (STAGING, [item("staging", "blue")], []),
        (STAGING, [item("staging", "")], []),  # of a time when rooms were not named
        (STAGING, [item("other")], []),
        (
            STAGING,
            [item("staging")],
            [
                "Namespace staging is there already, made with kubectl-create",
                "-e workshop_namespace=NAME",
                "kubectl label namespace staging --overwrite app.kubernetes.io/managed-by=istio-workshop "
                "workshop.istio-games/room=blue.",
            ],
        ),
        (STAGING, [item("staging", "green")], ["of the room green", "-e workshop_namespace=NAME"]),
        (STAGING, [item("staging", metadata=HELM)], ["managed by Helm"]),
        (FIXED, [item("dockercoins")], ["give it to the workshop with kubectl label namespace dockercoins"]),
        (STAGING, [item("staging", "green", metadata={"deletionTimestamp": "2026-01-01"})], []),
    ],
)
def test_namespaces(claims: Claims, namespaces: list[dict[str, Any]], parts: list[str]) -> None:
    found = problems(claims, Cluster(namespaces=namespaces), BLUE)
    assert len(found) == bool(parts)
    assert all(part in found[0] for part in parts)


PORT = Claims(node_ports=[NodePort(30080, "workshop_front_node_port")])


@pytest.mark.parametrize(
    ("services", "parts"),
    [
        ([], []),
        ([service("front", 30080, room="blue")], []),
        ([service("front", 30080, room="")], []),
        ([service("web", 30081)], []),
        (
            [service("web", 443, 30080), service("more", 30000)],
            [
                "NodePort 30080 (workshop_front_node_port) is held by Service shop/web, made with kubectl-create",
                "for example -e workshop_front_node_port=30001.",
            ],
        ),
        ([service("front", 30080, room="green")], ["of the room green"]),
        ([service("balanced", health=30080)], ["Service shop/balanced"]),
        ([service("load-balancer", 80, 443, 30080)], ["Service shop/load-balancer"]),
    ],
)
def test_node_ports(services: list[dict[str, Any]], parts: list[str]) -> None:
    found = problems(PORT, Cluster(services=services), BLUE)
    assert len(found) == bool(parts)
    assert all(part in found[0] for part in parts)


def storage_class(name: str, default: bool = False) -> dict[str, Any]:
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return item(name, metadata={"annotations": annotations})


ANY = Volume("registry", "registry-data", "", "registry_storage_class")
FAST = Volume("registry", "registry-data", "fast", "registry_storage_class")


@pytest.mark.parametrize(
    ("volume", "cluster", "parts"),
    [
        (ANY, Cluster(storage_classes=[storage_class("nfs", default=True)]), []),
        (FAST, Cluster(storage_classes=[storage_class("fast")]), []),
        (ANY, Cluster(volume_claims=[item("registry-data", "blue", "registry")]), []),
        (ANY, Cluster(volumes=[item("disk", spec={}, status={"phase": "Available"})]), []),
        (
            ANY,
            Cluster(storage_classes=[storage_class("nfs"), storage_class("gold")]),
            ["no StorageClass of this cluster is the default (it has gold, nfs)", "-e registry_storage_class=NAME"],
        ),
        (ANY, Cluster(volumes=[item("disk", spec={}, status={"phase": "Bound"})]), ["it has none at all"]),
        (Volume("staging", "mongo-data"), Cluster(), ["kubectl annotate storageclass NAME"]),
        (FAST, Cluster(storage_classes=[storage_class("nfs", default=True)]), ["StorageClass fast (registry_storage"]),
    ],
)
def test_storage_classes(volume: Volume, cluster: Cluster, parts: list[str]) -> None:
    found = problems(Claims(volumes=[volume]), cluster, BLUE)
    assert len(found) == bool(parts)
    assert all(part in found[0] for part in parts)


FOREIGN = Mesh(None, [istiod()], [DEFAULT], [], DEFINITION)
USING = Asker("blue", use_existing_mesh=True)


@pytest.mark.parametrize(
    ("claims", "mesh", "asker", "count"),
    [
        (Claims(installs_mesh=True), FOREIGN, BLUE, 1),
        (Claims(on_mesh="staging"), FOREIGN, BLUE, 1),
        (Claims(), FOREIGN, BLUE, 0),
        (Claims(installs_mesh=True, on_mesh="staging"), FOREIGN, BLUE, 1),
        (Claims(installs_mesh=True, on_mesh="staging"), FOREIGN, USING, 0),
        (Claims(installs_mesh=True, on_mesh="staging"), Mesh(), USING, 1),
        (Claims(installs_mesh=True, on_mesh="staging"), Mesh(), BLUE, 0),
        (Claims(installs_mesh=True, on_mesh="staging"), OURS, BLUE, 0),
        (Claims(installs_mesh=True), OURS, USING, 0),
        (Claims(installs_mesh=True), OURS, Asker("green"), 1),
        (Claims(on_mesh="staging"), Mesh(None, [], [CANARY], [], DEFINITION), USING, 0),
    ],
)
def test_meshes(claims: Claims, mesh: Mesh, asker: Asker, count: int) -> None:
    assert len(problems(claims, Cluster(mesh=mesh), asker)) == count


def policy(namespace: str, name: str = "default", room: str | None = None, **spec: Any) -> dict[str, Any]:
    return item(name, room, namespace, spec={"mtls": {"mode": "PERMISSIVE"}, **spec})


@pytest.mark.parametrize(
    ("policies", "parts"),
    [
        ([], []),
        ([policy("istio-system")], []),  # the mesh's own; ours says otherwise in our namespace
        ([policy("shop")], []),
        ([policy("staging", room="blue")], []),
        ([policy("staging", "front", selector={"matchLabels": {"app": "front"}})], []),
        (
            [policy("staging", "theirs")],
            [
                "PeerAuthentication staging/theirs (PERMISSIVE), made with kubectl-create",
                "kubectl delete peerauthentication theirs --namespace=staging",
                "-e workshop_namespace=NAME",
            ],
        ),
    ],
)
def test_policies(policies: list[dict[str, Any]], parts: list[str]) -> None:
    found = problems(Claims(on_mesh="staging"), Cluster(policies=policies, mesh=OURS), BLUE)
    assert len(found) == bool(parts)
    assert all(part in found[0] for part in parts)


def test_everything_is_said_at_once() -> None:
    claims = Claims.of(
        [
            {"namespaces": [{"name": "staging", "setting": "workshop_namespace"}]},
            {"node_ports": [{"number": 30080, "setting": "workshop_front_node_port"}], "installs_mesh": True},
        ]
    )
    cluster = Cluster(namespaces=[item("staging")], services=[service("web", 30080)], mesh=FOREIGN)
    assert len(problems(claims, cluster, BLUE)) == 3


def test_an_application_claims_what_its_data_says() -> None:
    app = {
        "namespace": "shop",
        "namespace_labels": {"istio-injection": "enabled"},
        "services": [{"name": "front", "node_port": 30080}, {"name": "mongo", "volume": {"mount": "/", "size": "1Gi"}}],
    }
    settings = {"workshop_namespace": "shop", "workshop_front_node_port": "30080", "workshop_webui_node_port": 30081}
    claims = Claims.of([of_application(app, settings)])
    assert claims == Claims(
        namespaces=[Namespace("shop", "workshop_namespace")],
        node_ports=[NodePort(30080, "workshop_front_node_port")],
        volumes=[Volume("shop", "mongo-data")],
        on_mesh="shop",
    )
    assert Claims.of([of_application({**app, "namespace_labels": {}}, {})]).on_mesh == ""
