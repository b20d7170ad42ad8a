"""A student's rights are asked for one by one; what is lacking and what is too much are named."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import access
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.access import MUST, MUST_NOT, Right


class Cluster:
    """Allows what it is given, or refuses a route as an admission policy does."""

    def __init__(self, allowed: tuple[Right, ...] = (), refusal: KubernetesError | None = None) -> None:
        self.allowed = [right.review("anna")["spec"] for right in allowed]
        self.refusal = refusal
        self.listed: list[str] = []

    def items(self, path: str) -> list[dict[str, Any]]:
        self.listed.append(path)
        return []

    def create(self, path: str, body: Any) -> dict[str, Any]:
        if path == access.REVIEWS:
            return {"status": {"allowed": body["spec"] in self.allowed}}
        if self.refusal:
            raise self.refusal
        return {}


def test_what_must_be_is_enough() -> None:
    cluster = Cluster(MUST)
    access.prove(cluster, "anna")  # type: ignore[arg-type]
    assert cluster.listed == ["/api/v1/namespaces/anna/pods"], "the kubeconfig is used"


@pytest.mark.parametrize("right", MUST, ids=str)
def test_what_is_lacking_is_named(right: Right) -> None:
    cluster = Cluster(tuple(each for each in MUST if each != right))
    with pytest.raises(access.AccessError, match="may not"):
        access.prove(cluster, "anna")  # type: ignore[arg-type]


@pytest.mark.parametrize("right", MUST_NOT, ids=str)
def test_what_is_too_much_is_named(right: Right) -> None:
    with pytest.raises(access.AccessError, match=f"may {right.verb} {right.resource}".replace(".", r"\.")):
        access.prove(Cluster((*MUST, right)), "anna")  # type: ignore[arg-type]


def test_nothing_is_both() -> None:
    assert not {*MUST} & {*MUST_NOT}


def test_a_right_is_asked_for_as_the_api_has_it() -> None:
    right = Right("patch", "deployments.apps/scale")
    assert right.review("anna")["spec"]["resourceAttributes"] == {
        "verb": "patch",
        "group": "apps",
        "resource": "deployments",
        "subresource": "scale",
        "namespace": "anna",
        "name": "",
    }


def test_a_route_for_somebody_else_must_be_refused_by_the_policy() -> None:
    refused = KubernetesError("no", 422, said="ValidatingAdmissionPolicy 'blue-student-routes' denied request")
    access.prove_admission(Cluster(refusal=refused), "anna", "staging")  # type: ignore[arg-type]
    times = itertools.count(0, 10)
    with pytest.raises(access.AccessError, match="may route for hosts of staging"):
        access.prove_admission(Cluster(), "anna", "staging", lambda _: None, lambda: next(times))  # type: ignore[arg-type]
    with pytest.raises(KubernetesError):  # refused for another reason: no proof
        access.prove_admission(Cluster(refusal=KubernetesError("no", 403, said="no rights")), "anna", "staging")  # type: ignore[arg-type]
