"""Policies are in force when nobody gets through any more, and not before."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.pod_exec import Container
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import intruder

OUTSIDE = Container("default", "intruder", "intruder")
POD = "/api/v1/namespaces/anna/pods/front-1"


@pytest.fixture
def there(api: Any) -> Any:
    """A cluster with a pod of anna's that has a port and a proxy."""
    containers = [
        {"name": "front", "ports": [{"containerPort": 8080}, {"containerPort": 8081}]},
        {"name": "istio-proxy", "ports": [{"containerPort": 15090}]},
    ]
    api.put(POD, spec={"containers": containers}, status={"podIP": "10.0.0.1"})
    return api


def test_each_port_of_the_application_is_tried(there: Any) -> None:
    there.put("/api/v1/namespaces/anna/pods/starting", spec={"containers": []}, status={})
    pods = there.items("/api/v1/namespaces/anna/pods")
    assert intruder.targets(pods) == {"10.0.0.1:8080": "front-1:8080", "10.0.0.1:8081": "front-1:8081"}


def test_an_address_that_is_another_s_by_now_is_not_tried(there: Any) -> None:
    there.objects[POD]["status"]["phase"] = "Failed"
    assert intruder.targets(there.items("/api/v1/namespaces/anna/pods")) == {}


def test_of_a_thousand_ports_a_few_are_tried(there: Any) -> None:
    """Each is a process in the one pod that all places are tried from."""
    there.objects[POD]["spec"]["containers"][0]["ports"] = [{"containerPort": port} for port in range(1, 1001)]
    found = intruder.targets(there.items("/api/v1/namespaces/anna/pods"))
    assert list(found) == [f"10.0.0.1:{port}" for port in range(1, intruder.MOST_PORTS + 1)]


@pytest.mark.parametrize("gaps", [[([], False)], [(["10.0.0.1:8080"], False), ([], True), ([], False)]])
def test_it_is_tried_until_nobody_gets_through(
    there: Any, monkeypatch: pytest.MonkeyPatch, gaps: list[tuple[list[str], bool]]
) -> None:
    through, out = (iter(part) for part in zip(*gaps, strict=True))
    monkeypatch.setattr(intruder, "reached", lambda api, where, addresses: next(through))
    monkeypatch.setattr(intruder, "_leaves", lambda api, namespace: next(out))
    times = itertools.count()
    intruder.prove(there, OUTSIDE, "anna", 60, lambda _: None, lambda: next(times))
    assert next(through, None) is None


@pytest.mark.parametrize(
    ("through", "out", "said"),
    [
        (["10.0.0.1:8080"], False, "a pod outside reaches front-1:8080"),
        ([], True, "a pod of it reaches the API server"),
    ],
)
def test_who_still_gets_through_is_named(
    there: Any, monkeypatch: pytest.MonkeyPatch, through: list[str], out: bool, said: str
) -> None:
    monkeypatch.setattr(intruder, "reached", lambda api, where, addresses: through)
    monkeypatch.setattr(intruder, "_leaves", lambda api, namespace: out)
    times = itertools.count(0, 20)
    with pytest.raises(intruder.PolicyError, match=said):
        intruder.prove(there, OUTSIDE, "anna", 60, lambda _: None, lambda: next(times))


def test_without_a_pod_nothing_is_proved(api: Any) -> None:
    with pytest.raises(intruder.PolicyError, match="No pod of anna has a port"):
        intruder.prove(api, OUTSIDE, "anna", 60)
