"""How manifests are applied, and what kubernetes.core.k8s returns for several of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.manifests import (
    ManifestError,
    applied,
    arguments,
    differences,
    errors,
    faults,
    unbound_claims,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.waiting import Waiting

NO_NAMESPACE = {"error": {"msg": 'namespaces "staging" not found', "reason": "Not Found"}}
NO_KIND = {"error": {"msg": "Failed to find exact match for security.istio.io/v1.PeerAuthentication by [kind, name]"}}
REFUSED = {"error": {"msg": "spec.replicas: Invalid value", "reason": "Unprocessable Entity"}}


def claim(**spec: str) -> dict[str, Any]:
    return {"result": {"kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": spec}}


def several(*results: dict[str, Any]) -> dict[str, Any]:
    return {"result": {"results": list(results)}}


def test_what_everybody_applies_with() -> None:
    given = arguments("config", [{"kind": "Secret"}, ""], "blue")
    assert [item["kind"] for item in given["definition"]] == ["Secret"]
    assert given["hidden_fields"] == ["status", "metadata.managedFields"]
    assert given["continue_on_error"]


def test_every_object_is_labelled_ours_and_the_room_s_and_keeps_its_own_labels() -> None:
    text = "kind: Service\nmetadata: {labels: {app: front}}\n---\n---\nkind: Secret\nmetadata:\n"
    template = {"metadata": {"labels": {"app": "front"}}}
    made = arguments("config", [text, {"kind": "Job", "spec": {"template": template}}], "blue")
    ours = {"app.kubernetes.io/managed-by": "istio-workshop", "workshop.istio-games/room": "blue"}
    labels = [item["metadata"]["labels"] for item in made["definition"]]
    assert labels == [{"app": "front", **ours}, ours, ours]
    assert made["definition"][2]["spec"]["template"] == template


def deployment(replicas: int, manager: str) -> dict[str, Any]:
    entry = {"manager": manager, "fieldsV1": {"f:spec": {"f:replicas": {}}}}
    return {"metadata": {"managedFields": [entry]}, "spec": {"replicas": replicas}}


@pytest.mark.parametrize(
    ("live", "applied"),
    [
        (None, 2),
        # Ours: leaving it out of an apply would set it back to 1.
        (deployment(2, "istio-workshop"), 2),
        (deployment(5, "istio-workshop"), 5),
        # Somebody has scaled it, or an autoscaler does.
        (deployment(5, "kubectl"), None),
        (deployment(1, "kube-controller-manager"), None),
        # What must run is brought back.
        (deployment(0, "kubectl"), 2),
    ],
)
def test_the_number_of_pods_stays_as_somebody_has_set_it(live: dict[str, Any] | None, applied: int | None) -> None:
    text = "kind: Deployment\nmetadata: {name: front, namespace: staging}\nspec: {replicas: 2}\n"
    asked = []

    def find(path: str) -> dict[str, Any] | None:
        asked.append(path)
        return live

    (item,) = arguments("config", [text], "", live=find)["definition"]
    assert item["spec"].get("replicas") == applied
    assert asked == ["/apis/apps/v1/namespaces/staging/deployments/front"]


def test_without_a_room_an_object_is_labelled_ours() -> None:
    (item,) = arguments("config", [{"kind": "Job"}], "")["definition"]
    assert item["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "istio-workshop"}


@pytest.mark.parametrize(
    ("manifest", "sentence"),
    [
        ("kind: [\npassword: secret", "A manifest is no YAML: .* \\(line 2\\)"),
        ("just text", "A manifest must be an object .*\\(a str\\)"),
        ([1], "A manifest must be an object .*\\(a list\\)"),
        ({"metadata": {}}, "A manifest must be an object"),
    ],
)
def test_what_is_no_manifest_is_told_without_its_content(manifest: Any, sentence: str) -> None:
    with pytest.raises(ManifestError, match=sentence) as refused:
        arguments("config", [manifest], "blue")
    assert "secret" not in str(refused.value)


def test_in_check_mode_a_missing_namespace_or_kind_is_no_error() -> None:
    assert errors(several({"result": {}}, NO_NAMESPACE, NO_KIND), check_mode=True) == []
    assert errors(several(NO_NAMESPACE, REFUSED), check_mode=True) == ["spec.replicas: Invalid value"]
    assert errors(NO_NAMESPACE, check_mode=True) == []
    assert errors({"msg": "the module failed"}, check_mode=True) == []


def test_of_several_errors_the_first_is_told() -> None:
    assert errors(several({"result": {}}, REFUSED, NO_NAMESPACE), check_mode=False) == ["spec.replicas: Invalid value"]
    assert errors(NO_NAMESPACE, check_mode=False) == ['namespaces "staging" not found']
    assert errors({"msg": "the module failed"}, check_mode=False) == []


UNJUDGED = {"error": {"msg": 'failed calling webhook "validation.istio.io": connection reset by peer', "reason": "x"}}
TOO_MANY = {"error": {"msg": "too many requests", "reason": "Too Many Requests"}}
THREE = [{"kind": kind, "metadata": {"name": "a"}} for kind in ("Service", "PeerAuthentication", "Job")]
CHANGED, SAME = {"changed": True, "result": {"kind": "Service"}}, {"changed": False, "result": {"kind": "Job"}}


class Module:
    """kubernetes.core.k8s, with what it says of each object at each run."""

    def __init__(self, *runs: dict[str, Any]) -> None:
        self.runs = list(runs)
        self.asked: list[list[str]] = []
        self.now = 0.0
        self.said: list[str] = []
        self.waiting = Waiting(cast(Any, self), self.said.append, self.sleep, lambda: self.now)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    @contextmanager
    def until(self, deadline: float) -> Iterator[None]:
        yield

    def __call__(self, given: dict[str, Any]) -> dict[str, Any]:
        self.asked.append([item["kind"] for item in given["definition"]])
        return self.runs.pop(0) if len(self.runs) > 1 else self.runs[0]

    def applied(self) -> dict[str, Any]:
        return applied(self, {"definition": THREE}, self.waiting)


@pytest.mark.parametrize("passing", [UNJUDGED, TOO_MANY])
def test_what_nobody_has_judged_is_applied_again_and_nothing_else(passing: dict[str, Any]) -> None:
    module = Module(several(CHANGED, passing, passing), several(passing, SAME), {"changed": False, "result": {}})
    done = module.applied()
    assert module.asked == [
        ["Service", "PeerAuthentication", "Job"],
        ["PeerAuthentication", "Job"],
        ["PeerAuthentication"],
    ]
    assert errors(done, check_mode=False) == []
    assert done["changed"], "what the first run has changed"
    assert [item.get("changed") for item in done["result"]["results"]] == [True, False, False]
    assert module.said[0] == "writing PeerAuthentication a: waiting for istiod, which must judge it first"


def test_what_nobody_judges_is_an_error_at_last() -> None:
    module = Module(several(SAME, UNJUDGED, SAME), UNJUDGED)
    done = module.applied()
    assert module.now >= 60
    assert not done["changed"]
    assert "validation.istio.io" in errors(done, check_mode=False)[0]


@pytest.mark.parametrize(
    "whole", [{"failed": True, "msg": "no cluster"}, several(SAME, REFUSED, CHANGED), several(CHANGED, SAME, SAME)]
)
def test_what_was_judged_is_applied_once(whole: dict[str, Any]) -> None:
    module = Module(whole)
    assert module.applied() == whole
    assert len(module.asked) == 1


def test_a_module_that_fails_meanwhile_is_told() -> None:
    module = Module(several(SAME, UNJUDGED, SAME), {"failed": True, "msg": "no cluster"})
    assert errors(module.applied(), check_mode=False) == ["no cluster"]


def test_claims_without_a_volume() -> None:
    assert unbound_claims(several(claim(volumeName="pvc-1"), {"result": {"kind": "Service"}})) == []
    assert unbound_claims(several(claim())) == ["data"]
    assert unbound_claims(claim()) == ["data"]


def test_differences_are_those_of_each_object() -> None:
    changed = {
        "changed": True,
        "diff": {"before": {"replicas": 1}, "after": {"replicas": 2}},
        "result": {"kind": "Deployment", "metadata": {"name": "front", "namespace": "staging"}},
    }
    new = {"changed": True, "result": {"kind": "Namespace", "metadata": {"name": "staging"}}}
    same = {"changed": False, "diff": {}, "result": {"kind": "Service", "metadata": {"name": "front"}}}
    shown = differences(several(changed, new, same))
    assert [each["after_header"] for each in shown] == ["Deployment/staging/front", "Namespace/staging"]
    assert shown[0]["after"] == {"replicas": 2}
    assert shown[1]["after"] == "Namespace/staging (new)\n"


def compared(before: dict[str, Any] | None, after: dict[str, Any]) -> dict[str, Any]:
    diff = {"diff": {"before": before, "after": after}} if before is not None else {}
    made = {"kind": "Service", "metadata": {"name": "aleph", "namespace": "staging"}}
    return {"changed": True, **diff, "result": made}


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        (None, {}, "Service/staging/aleph is missing, or not as it was deployed."),
        ({}, {"kind": "Service"}, "Service/staging/aleph is missing, or not as it was deployed."),
        (
            {"metadata": {"generation": 1}, "spec": {"selector": {"app": "gimel"}}},
            {"metadata": {"generation": 2}, "spec": {"selector": {"app": "aleph"}}},
            'Service/staging/aleph is not as it was deployed: spec.selector.app is "gimel", not "aleph".',
        ),
        (
            {"spec": {"ports": [{"port": 80, "nodePort": 1}], "type": "NodePort"}},
            {"spec": {"ports": [{"port": 80, "nodePort": 2}]}},
            "Service/staging/aleph is not as it was deployed: spec.ports[0].nodePort is 1, not 2; "
            'spec.type is "NodePort", and was not there.',
        ),
        (
            {"metadata": {"resourceVersion": "1"}, "spec": {"ports": []}},
            {"metadata": {"labels": {"a": "b"}, "resourceVersion": "2"}, "spec": {"ports": [1]}},
            'Service/staging/aleph is not as it was deployed: metadata.labels.a is missing (it was "b"); '
            "spec.ports is [], not [1].",
        ),
    ],
)
def test_what_is_not_as_it_was_deployed_is_a_sentence(
    before: dict[str, Any] | None, after: dict[str, Any], sentence: str
) -> None:
    assert faults(several(compared(before, after), {"changed": False})) == [sentence]
