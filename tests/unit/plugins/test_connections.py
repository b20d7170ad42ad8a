"""Who reaches whom is tried by pods, and judged."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.connections import (
    Caller,
    ConnectionCheckError,
    Connections,
    judge,
    pod,
)

INTRUDER = Caller("intruder", "default", {}, ("mongo:27017",), "refused")
ALEPH = Caller("as-aleph", "staging", {"app": "aleph"}, ("mongo:27017",), "reached")


def test_what_is_as_it_must_be_is_no_finding() -> None:
    assert judge(INTRUDER, "mongo:27017 refused\n") == []
    assert judge(ALEPH, "mongo:27017 reached\n") == []


def test_what_is_not_is_said_with_a_remedy() -> None:
    assert judge(INTRUDER, "mongo:27017 reached\n") == [
        "a pod in namespace default that is nobody's caller must be refused by mongo:27017, but was let through to "
        "mongo:27017: is a network plugin running that enforces NetworkPolicies?"
    ]
    assert judge(ALEPH, "")[0].startswith(
        "a pod in namespace staging labelled app=aleph must be let through to mongo:27017, but was not tried at"
    )


def environment_of(made: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in made["spec"]["containers"][0]["env"]}


def test_the_pod_fits_a_restricted_namespace_and_takes_no_traffic() -> None:
    made = pod(ALEPH, "busybox:1", {"mongo:27017": "10.96.0.9:27017"})
    assert made["metadata"]["labels"]["app"] == "aleph"
    assert made["spec"]["readinessGates"]
    assert made["spec"]["securityContext"]["runAsNonRoot"] is True
    assert made["spec"]["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    environment = environment_of(made)
    assert environment["TARGETS"] == "mongo:27017=10.96.0.9:27017"
    assert environment["SETTLE_SECONDS"] == "0"


def test_an_intruder_waits_until_it_would_be_let_in() -> None:
    made = pod(INTRUDER, "busybox:1", {"mongo:27017": "10.96.0.9:27017"})
    assert int(environment_of(made)["SETTLE_SECONDS"]) > 0


class Network:
    def __init__(self, api: Any, sees: dict[str, str]) -> None:
        self.api, self.said = api, list[str]()
        self.sees = sees
        api.put("/api/v1/namespaces/staging/services/mongo", spec={"clusterIP": "10.96.0.9"})

    def sleep(self, _: float) -> None:
        for path, item in self.api.objects.items():
            if "/pods/" in path:
                item["status"] = {"phase": "Succeeded"}
                name = next(name for name in self.sees if f"check-{name}-" in path)
                self.api.logs[path] = self.sees[name]

    def check(self) -> dict[str, str]:
        return Connections(self.api, "staging", "busybox:1", self.said.append, self.sleep).check([INTRUDER, ALEPH], 10)


def test_all_as_it_must_be(api: Any) -> None:
    network = Network(api, {"intruder": "mongo:27017 refused", "as-aleph": "mongo:27017 reached"})
    assert network.check() == {
        "intruder in default -> mongo:27017": "refused",
        "as-aleph in staging -> mongo:27017": "reached",
    }
    assert [path for path in api.objects if "/pods/" in path] == []


def test_an_open_door_fails_and_the_pods_go(api: Any) -> None:
    network = Network(api, {"intruder": "mongo:27017 reached", "as-aleph": "mongo:27017 reached"})
    with pytest.raises(
        ConnectionCheckError, match="A pod in namespace default that is nobody's caller must be refused"
    ):
        network.check()
    assert [path for path in api.objects if "/pods/" in path] == []


def test_a_missing_service_is_named(api: Any) -> None:
    network = Network(api, {})
    api.objects.clear()
    with pytest.raises(ConnectionCheckError, match="no Service mongo in namespace staging"):
        network.check()
