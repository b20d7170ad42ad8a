"""Who reaches whom is tried by pods, and judged."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.connections import (
    Caller,
    ConnectionCheckError,
    Connections,
    job,
    judge,
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
    return {each["name"]: each["value"] for each in made["spec"]["template"]["spec"]["containers"][0]["env"]}


def test_the_pod_fits_a_restricted_namespace_and_takes_no_traffic() -> None:
    made = job(ALEPH, "busybox:1", {"mongo:27017": "10.96.0.9:27017"})
    template = made["spec"]["template"]
    assert template["metadata"]["labels"]["app"] == "aleph"
    assert template["spec"]["readinessGates"]
    assert template["spec"]["securityContext"]["runAsNonRoot"] is True
    assert template["spec"]["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    environment = environment_of(made)
    assert environment["TARGETS"] == "mongo:27017=10.96.0.9:27017"
    assert environment["SETTLE_SECONDS"] == "0"


def test_what_nobody_waits_for_ends_and_goes_by_itself() -> None:
    made = job(ALEPH, "busybox:1", {"mongo:27017": "10.96.0.9:27017"}, room="blue")
    assert made["spec"]["activeDeadlineSeconds"] + made["spec"]["ttlSecondsAfterFinished"] <= 300
    assert made["spec"]["backoffLimit"] == 0
    # The caller's labels are the pod's alone: nothing else is to be taken for the caller.
    assert made["metadata"]["labels"] == {
        "workshop.istio-games/connection-check": "as-aleph",
        "app.kubernetes.io/managed-by": "istio-workshop",
        "workshop.istio-games/room": "blue",
    }


def test_an_intruder_waits_until_it_would_be_let_in() -> None:
    made = job(INTRUDER, "busybox:1", {"mongo:27017": "10.96.0.9:27017"})
    assert int(environment_of(made)["SETTLE_SECONDS"]) > 0


def jobs_of(api: Any) -> list[str]:
    return [path for path in api.objects if "/jobs/" in path]


class Network:
    """Makes a pod of each Job, which sees what it sees after some seconds."""

    def __init__(self, api: Any, sees: dict[str, str], after: float = 1.0) -> None:
        self.api, self.said = api, list[str]()
        self.sees, self.after, self.now = sees, after, 0.0
        api.put("/api/v1/namespaces/staging/services/mongo", spec={"clusterIP": "10.96.0.9"})

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for path in jobs_of(self.api):
            name = path.rpartition("/")[2]
            of = next((of for of in self.sees if f"check-{of}-" in path), None)
            if of is None:
                continue
            pod = path.replace("/apis/batch/v1", "/api/v1").replace("/jobs/", "/pods/")
            phase = "Succeeded" if self.now >= self.after else "Running"
            self.api.put(pod, metadata={"labels": {"batch.kubernetes.io/job-name": name}}, status={"phase": phase})
            self.api.logs[pod] = self.sees[of]

    def check(self, timeout: float = 60) -> dict[str, str]:
        connections = Connections(self.api, "staging", "busybox:1", self.said.append, self.sleep, lambda: self.now)
        return connections.check([INTRUDER, ALEPH], timeout)


def test_all_as_it_must_be(api: Any) -> None:
    network = Network(api, {"intruder": "mongo:27017 refused", "as-aleph": "mongo:27017 reached"})
    assert network.check() == {
        "intruder in default -> mongo:27017": "refused",
        "as-aleph in staging -> mongo:27017": "reached",
    }
    assert jobs_of(api) == []


def test_an_open_door_fails_and_the_pods_go(api: Any) -> None:
    network = Network(api, {"intruder": "mongo:27017 reached", "as-aleph": "mongo:27017 reached"})
    with pytest.raises(
        ConnectionCheckError, match="A pod in namespace default that is nobody's caller must be refused"
    ):
        network.check()
    assert jobs_of(api) == []


def test_a_missing_service_is_named(api: Any) -> None:
    network = Network(api, {})
    api.objects.clear()
    with pytest.raises(ConnectionCheckError, match="no Service mongo in namespace staging"):
        network.check()


GOOD = {"intruder": "mongo:27017 refused", "as-aleph": "mongo:27017 reached"}
LEFT = "/apis/batch/v1/namespaces/staging/jobs/check-as-aleph-left"


def test_what_a_killed_run_has_left_goes_first(api: Any) -> None:
    api.put(LEFT, metadata={"labels": {"workshop.istio-games/connection-check": "as-aleph"}})
    api.put("/apis/batch/v1/namespaces/staging/jobs/somebodys")
    Network(api, GOOD).check()
    assert [path.rpartition("/")[2] for path in jobs_of(api)] == ["somebodys"]
    assert api.requests[0] == ("delete", LEFT)


def test_one_that_cannot_be_deleted_keeps_no_other(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    delete = api.delete

    def refuses_one(path: str, grace_seconds: int | None = None) -> None:
        if "intruder" in path:
            raise KubernetesError("forbidden", 403)
        delete(path, grace_seconds)

    monkeypatch.setattr(api, "delete", refuses_one)
    network = Network(api, {"intruder": "mongo:27017 reached", "as-aleph": "mongo:27017 reached"})
    with pytest.raises(ConnectionCheckError, match=r"must be refused by"):
        network.check()
    assert len(jobs_of(api)) == 1
    assert any("could not be deleted (forbidden): it goes by itself within 240 s" in said for said in network.said)


def test_a_pod_that_is_not_made_is_explained(api: Any) -> None:
    network = Network(api, {})
    events = "/api/v1/namespaces/default/events/e"
    quota = {"type": "Warning", "reason": "FailedCreate", "message": "exceeded quota: q"}
    api.put(events, involvedObject={"kind": "Job", "name": "check-intruder-1"}, **quota)
    with pytest.raises(
        ConnectionCheckError, match=r"nobody's caller could not try: exceeded quota: q \(FailedCreate\)\."
    ):
        network.check()
    assert network.now == 30
    assert jobs_of(api) == []


def test_the_deadline_is_one_for_all(api: Any) -> None:
    network = Network(api, GOOD, after=1000)
    with pytest.raises(ConnectionCheckError, match=r"could not try within 60 s: it is trying\."):
        network.check()
    assert network.now == 60


def test_a_job_that_somebody_deletes_is_said(api: Any) -> None:
    network = Network(api, {})
    network.sleep = lambda _: [api.objects.pop(path) for path in jobs_of(api)]  # type: ignore[method-assign, assignment]
    with pytest.raises(ConnectionCheckError, match=r"was deleted while it ran: does another check run\?"):
        network.check()
