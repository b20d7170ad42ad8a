"""What there is of Istio, whose it is, and what puts a namespace on it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import mesh_claims
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.mesh import ANNOTATION, Mesh, changes, matches
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import owner_labels

NEVER = {"matchLabels": {"istio.io/deactivated": "never-match"}}
ENABLED = {"matchExpressions": [{"key": "istio-injection", "operator": "In", "values": ["enabled"]}]}
NOT_OFF = {"matchExpressions": [{"key": "sidecar.istio.io/inject", "operator": "NotIn", "values": ["false"]}]}


def asks(revision: str) -> dict[str, Any]:
    return {
        "matchExpressions": [
            {"key": "istio.io/rev", "operator": "In", "values": [revision]},
            {"key": "istio-injection", "operator": "DoesNotExist"},
        ]
    }


def injector(name: str, revision: str, *selectors: dict[str, Any], tag: str = "") -> dict[str, Any]:
    labels = {"app": "sidecar-injector", "istio.io/rev": revision, **({"istio.io/tag": tag} if tag else {})}
    webhooks = [{"namespaceSelector": selector, "objectSelector": NOT_OFF} for selector in selectors]
    return {"metadata": {"name": name, "labels": labels}, "webhooks": webhooks}


def istiod(revision: str = "default", namespace: str = "istio-system", *written: dict[str, Any]) -> dict[str, Any]:
    fields = [{"manager": "istio-operator", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}}, *written]
    return {
        "metadata": {
            "name": "istiod" + ("" if revision == "default" else f"-{revision}"),
            "namespace": namespace,
            "labels": {"app": "istiod", "istio.io/rev": revision},
            "managedFields": fields,
        }
    }


def by(manager: str, *path: str, **more: Any) -> dict[str, Any]:
    below: dict[str, Any] = {}
    for part in reversed(path):
        below = {part: below}
    return {"manager": manager, "operation": "Update", "fieldsV1": {"f:spec": below}, **more}


CONTAINER = ("f:template", "f:spec", "f:containers", 'k:{"name":"discovery"}')
ENVIRONMENT = by("kubectl-set", *CONTAINER, "f:env", 'k:{"name":"PILOT_TRACE_SAMPLING"}', "f:value")
RESTARTED = by("kubectl-rollout", "f:template", "f:metadata", "f:annotations", "f:kubectl.kubernetes.io/restartedAt")
DEFINITION = {
    "metadata": {"name": "virtualservices.networking.istio.io"},
    "spec": {"versions": [{"name": "v1", "served": True}]},
}
OLD_DEFINITION = {**DEFINITION, "spec": {"versions": [{"name": "v1beta1", "served": True}]}}


def home(room: str = "blue", identity: str = "0123") -> dict[str, Any]:
    annotations = {ANNOTATION: identity} if identity else {}
    return {"metadata": {"name": "istio-system", "labels": owner_labels(room), "annotations": annotations}}


DEFAULT = injector("istio-revision-tag-default", "default", asks("default"), ENABLED, tag="default")
RETIRED = injector("istio-sidecar-injector", "default", NEVER, NEVER)
CANARY = injector("istio-sidecar-injector-canary", "canary", asks("canary"))
VALIDATOR = {"metadata": {"name": "istiod-default-validator", "labels": {"app": "istiod"}}}
OURS = Mesh(home(), [istiod()], [RETIRED, DEFAULT], [VALIDATOR], DEFINITION)


@pytest.mark.parametrize(
    ("mesh", "exclusive", "found"),
    [
        (Mesh(), False, []),
        (Mesh(home(identity="")), False, []),  # a namespace of that name alone is a claim of its own
        (OURS, False, []),
        (Mesh(home(""), [istiod()], [DEFAULT], [VALIDATOR], DEFINITION), False, []),  # of a time without rooms' labels
        (Mesh(home(identity="installing"), [istiod()], [], [], DEFINITION), False, []),  # killed half-way
        (Mesh(home(identity=""), [istiod()], [DEFAULT]), False, ["Deployment istio-system/istiod of revision default"]),
        (Mesh(home(identity=""), [istiod()], [DEFAULT]), True, ["Deployment istio-system/istiod of revision default"]),
        (Mesh(home("green"), [istiod()], [DEFAULT]), False, ["the room blue has not installed it"]),
        (Mesh(None, [istiod("canary", "mesh")], [CANARY]), False, ["Deployment mesh/istiod-canary of revision canary"]),
        (Mesh(None, [], [CANARY]), False, ["istio-sidecar-injector-canary, without an istiod"]),
        (Mesh(None, [], [], [VALIDATOR]), False, ["ValidatingWebhookConfiguration istiod-default-validator"]),
        (Mesh(None, [], [], [], DEFINITION), False, ["CustomResourceDefinition virtualservices.networking.istio.io"]),
        (Mesh(home(), [istiod("default", "istio-system", ENVIRONMENT)], [DEFAULT]), False, ["PILOT_TRACE_SAMPLING by"]),
        (Mesh(home(), [istiod("default", "istio-system", ENVIRONMENT)], [DEFAULT]), True, []),
        (Mesh(home(), [istiod("default", "istio-system", RESTARTED)], [DEFAULT]), False, []),
        (Mesh(home(), [istiod(), istiod("canary", "istio-system", ENVIRONMENT)], [DEFAULT, CANARY]), False, []),
        (
            Mesh(home(), [istiod()], [injector("istio-revision-tag-default", "canary", ENABLED, tag="default")]),
            False,
            ["proxies of the revision canary by default"],
        ),
    ],
)
def test_a_mesh_that_is_not_the_rooms_is_one_sentence(mesh: Mesh, exclusive: bool, found: list[str]) -> None:
    sentences = list(mesh_claims.foreign(mesh, "blue", exclusive=exclusive))
    assert len(sentences) == len(found)
    for sentence, part in zip(sentences, found, strict=True):
        assert part in sentence
        assert "-e mesh_use_existing=true" in sentence


VALUES = {"istio-sidecar-injector": {"values": json.dumps({"pilot": {"cni": {"enabled": True}}})}}
NO_CNI = {"istio-sidecar-injector-canary": {"values": json.dumps({"pilot": {"cni": {"enabled": False}}})}}


@pytest.mark.parametrize(
    ("mesh", "revision", "pod_security", "found"),
    [
        (Mesh(None, [istiod()], [DEFAULT], [], DEFINITION, VALUES), "", "restricted", ""),
        (Mesh(None, [istiod()], [DEFAULT], [], DEFINITION, VALUES), "default", "restricted", ""),
        (Mesh(None, [istiod("canary")], [CANARY], [], DEFINITION), "", "restricted", ""),
        (Mesh(None, [istiod("canary")], [CANARY], [], DEFINITION), "canary", "restricted", ""),
        (Mesh(None, [], [], [], DEFINITION), "", "restricted", "nothing in this cluster gives pods a proxy"),
        (Mesh(None, [istiod()], [DEFAULT], [], OLD_DEFINITION), "", "restricted", "must be 1.22 or newer"),
        (
            Mesh(None, [istiod()], [DEFAULT], [], DEFINITION),
            "canary",
            "restricted",
            "has no revision canary, but default",
        ),
        (
            Mesh(None, [], [CANARY, injector("b", "stable", asks("stable"))], [], DEFINITION),
            "",
            "restricted",
            "no default revision, but canary, stable: choose one with -e mesh_revision=canary",
        ),
        (Mesh(None, [istiod("canary")], [CANARY], [], DEFINITION, NO_CNI), "", "restricted", "-e app_pod_security=pri"),
        (Mesh(None, [istiod("canary")], [CANARY], [], DEFINITION, NO_CNI), "", "privileged", ""),
    ],
)
def test_a_mesh_that_cannot_be_used_is_one_sentence(mesh: Mesh, revision: str, pod_security: str, found: str) -> None:
    sentences = list(mesh_claims.unusable(mesh, revision, pod_security))
    assert len(sentences) == bool(found)
    assert found in "".join(sentences)


@pytest.mark.parametrize(
    ("injectors", "revision", "labels"),
    [
        ([RETIRED, DEFAULT], "", {"istio-injection": "enabled"}),
        ([RETIRED, DEFAULT, CANARY], "", {"istio-injection": "enabled"}),
        ([RETIRED, DEFAULT, CANARY], "canary", {"istio.io/rev": "canary"}),
        ([CANARY], "", {"istio.io/rev": "canary"}),
        ([RETIRED], "", None),
        ([DEFAULT], "none", None),
        ([injector("stable", "1-30", asks("stable"), tag="stable")], "", {"istio.io/rev": "stable"}),
    ],
)
def test_a_namespace_gets_the_labels_that_the_injector_asks_for(
    injectors: list[dict[str, Any]], revision: str, labels: dict[str, str] | None
) -> None:
    assert Mesh(injectors=injectors).injection(revision) == labels


def test_the_revision_behind_labels_is_found() -> None:
    mesh = Mesh(injectors=[RETIRED, DEFAULT, CANARY])
    assert mesh.revision_of({"istio.io/rev": "canary"}) == "canary"
    assert mesh.revision_of({"istio-injection": "enabled"}) == "default"


@pytest.mark.parametrize(
    ("config", "remarks"),
    [
        ("accessLogFile: /dev/stdout\naccessLogEncoding: JSON\n", 0),
        ("accessLogFile: /dev/stdout\n", 1),
        ("", 1),
    ],
)
def test_a_missing_access_log_is_told(config: str, remarks: int) -> None:
    mesh = Mesh(injectors=[DEFAULT], settings={"istio": {"mesh": config}})
    assert len(list(mesh_claims.remarks(mesh, ""))) == remarks


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (ENVIRONMENT, ["PILOT_TRACE_SAMPLING by kubectl-set"]),
        (by("kubectl-edit", *CONTAINER, "f:image"), ["image by kubectl-edit"]),
        (by("helm", "f:replicas"), ["replicas by helm"]),
        (by("kubectl", "f:replicas", subresource="scale"), []),
        (RESTARTED, []),
        (by("kube-controller-manager", "f:replicas"), []),
    ],
)
def test_what_somebody_changed_of_istiod_is_named(written: dict[str, Any], shown: list[str]) -> None:
    assert changes(istiod("default", "istio-system", written)) == shown


@pytest.mark.parametrize(
    ("selector", "labels", "matched"),
    [
        (None, {}, True),
        ({}, {"a": "1"}, True),
        ({"matchLabels": {"a": "1"}}, {"a": "1", "b": "2"}, True),
        ({"matchLabels": {"a": "1"}}, {"a": "2"}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1"]}]}, {"a": "1"}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, {}, True),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"a": ""}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {"a": ""}, False),
    ],
)
def test_selectors_select_as_kubernetes_does(
    selector: dict[str, Any] | None, labels: dict[str, str], matched: bool
) -> None:
    assert matches(selector, labels) is matched
