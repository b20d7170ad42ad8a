"""A split is measured with the load client, judged, and its failures explained."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import pod_exec
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.load_client import Check, LoadClient, losses

POD = "/api/v1/namespaces/staging/pods/load-1"
CLUSTER = "outbound|80|v03|aleph.staging.svc.cluster.local"


def counted(versions: dict[str, int], failures: int = 0, unnamed: int = 0) -> dict[str, Any]:
    """What the load client says of one target."""
    failed = [
        {"sequence": number, "request_id": f"id-{number}", "status": 503, "error": None, "latency_ms": 1.0}
        for number in range(failures)
    ]
    return {
        "sent": sum(versions.values()) + failures + unnamed,
        "failed": failures,
        "missing": 0,
        "versions": versions,
        "latency_ms": {"p50": 1.0},
        "failures": failed,
    }


class Cluster:
    """A ready load client, which answers by service; remembers commands, and logs after some pauses."""

    def __init__(self, api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        conditions = [{"type": "Ready", "status": "True"}]
        api.put(POD, metadata={"labels": {"app": "load"}}, status={"conditions": conditions})
        monkeypatch.setattr(pod_exec, "run", self.run)
        self.api = api
        self.answers: dict[str, dict[str, Any]] = {}
        self.in_turn: list[dict[str, dict[str, Any]]] = []
        self.output: str | None = None
        self.commands: list[list[str]] = []
        self.slept: list[float] = []
        self.logged_after = 0
        self.client = LoadClient(api, "staging", list[str]().append, self.sleep)

    def run(self, _api: Any, where: pod_exec.Container, command: list[str], _timeout: float, _say: Any) -> str:
        assert where == pod_exec.Container("staging", "load-1", "load")
        self.commands.append(command)
        names = [word.removeprefix("--target=").partition("=")[0] for word in command if word.startswith("--target=")]
        if self.in_turn:
            targets = self.in_turn.pop(0)
        else:
            targets = {name: self.answers[name.rpartition("-")[0]] for name in names} or self.answers
        return self.output if self.output is not None else json.dumps({"targets": targets})

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        line = {"request_id": "id-0", "response_flags": "UH", "upstream_cluster": CLUSTER}
        self.api.logs[POD] = json.dumps(line) if len(self.slept) > self.logged_after else "starting"


@pytest.fixture
def cluster(api: Any, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return Cluster(api, monkeypatch)


def test_a_split_is_measured_and_judged(cluster: Cluster) -> None:
    cluster.answers["aleph"] = counted({"0.1": 470, "0.3": 110})
    (result,) = cluster.client.measure([Check("aleph", "everybody", {"0.1": 80, "0.3": 20})])
    assert cluster.commands == [["python", "-m", "load", "run", "--requests=580", "--target=aleph-0=http://aleph/name"]]
    assert {key: result[key] for key in ("requests", "answered", "failed", "verdict", "more")} == {
        "requests": 580,
        "answered": {"0.1": 470, "0.3": 110},
        "failed": 0,
        "verdict": "honoured",
        "more": 0,
    }
    assert result["false_alarm_rate"] == 0.001
    assert result["sentence"].startswith(
        "aleph for everybody, 80 % to 0.1, 20 % to 0.3: honoured (0.3 answered 110 of 580"
    )


def test_equal_headers_and_numbers_share_a_run(cluster: Cluster) -> None:
    cluster.answers = {"aleph": counted({"0.1": 459}), "beth": counted({"0.1": 459})}
    cookie = {"Cookie": "user=developer"}
    checks = [
        Check("aleph", "everybody", {"0.1": 100}),
        Check("aleph", "developer", {"0.3": 100}, cookie),
        Check("beth", "everybody", {"0.1": 100}),
        # The same service once more, which must not be counted together with the first.
        Check("aleph", "everybody else", {"0.1": 100}),
        Check("beth", "half", {"0.1": 50, "0.3": 50}),
    ]
    results = cluster.client.measure(checks)
    assert [command[4:] for command in cluster.commands] == [
        [
            "--requests=459",
            "--target=aleph-0=http://aleph/name",
            "--target=beth-2=http://beth/name",
            "--target=aleph-3=http://aleph/name",
        ],
        ["--requests=459", "--target=aleph-1=http://aleph/name", "--header=Cookie: user=developer"],
        ["--requests=786", "--target=beth-4=http://beth/name"],
        ["--requests=786", "--target=beth-0=http://beth/name"],  # once more
    ]
    assert [(result["service"], result["name"]) for result in results] == [(each.service, each.name) for each in checks]
    assert [result["verdict"] for result in results] == [
        "honoured",
        "not honoured",
        "honoured",
        "honoured",
        "not honoured",
    ]


def test_what_looks_dishonoured_by_chance_is_measured_once_more(cluster: Cluster) -> None:
    unlikely, likely = {"aleph-0": counted({"0.1": 345, "0.3": 441})}, {"aleph-0": counted({"0.1": 390, "0.3": 396})}
    check = Check("aleph", "everybody", {"0.1": 50, "0.3": 50})
    cluster.in_turn = [unlikely, likely]
    (result,) = cluster.client.measure([check])
    assert (result["verdict"], result["answered"]) == ("honoured", {"0.1": 390, "0.3": 396})
    assert result["sentence"].endswith("; measured again, after p = 0.00069")
    assert cluster.commands[0] == cluster.commands[1]
    cluster.in_turn = [unlikely, unlikely]
    (result,) = cluster.client.measure([check])
    assert result["verdict"] == "not honoured"
    assert len(cluster.commands) == 4


def test_a_number_that_is_too_small_is_told_how_many_more(cluster: Cluster) -> None:
    cluster.answers["aleph"] = counted({"0.1": 100})
    (result,) = cluster.client.measure([Check("aleph", "everybody", {"0.1": 100}, requests=100)])
    assert "--requests=100" in cluster.commands[0]
    assert (result["verdict"], result["more"]) == ("too few requests", 359)


def test_answers_that_name_no_version_are_not_honoured(cluster: Cluster) -> None:
    cluster.answers["aleph"] = counted({"0.1": 458}, unnamed=1)
    (result,) = cluster.client.measure([Check("aleph", "everybody", {"0.1": 100})])
    assert result["verdict"] == "not honoured"
    assert "1 from no named version, of 459 answers, must be none" in result["sentence"]
    assert result["answered"] == {"0.1": 458}


@pytest.mark.parametrize("logged_after", [0, 1, 3])
def test_a_failure_is_explained_once_the_proxy_has_written_its_log(cluster: Cluster, logged_after: int) -> None:
    cluster.logged_after = logged_after
    cluster.answers["aleph"] = counted({"0.1": 459}, failures=1)
    (result,) = cluster.client.measure([Check("aleph", "everybody", {"0.1": 100})])
    assert len(cluster.slept) == logged_after + 1
    assert result["verdict"] == "honoured"
    assert result["sentence"].endswith(
        "; 1 of 460 requests failed: status 503, "
        f"response flag UH: the subset has no healthy endpoint (cluster {CLUSTER})"
    )


def test_a_failure_that_the_proxy_never_saw_is_said(cluster: Cluster) -> None:
    cluster.answers["aleph"] = counted({"0.1": 459}, failures=2)
    (result,) = cluster.client.measure([Check("aleph", "everybody", {"0.1": 100})])
    assert result["failures"][1]["explanation"] == "not in the log of the caller's proxy"
    assert len(cluster.slept) == 4


def test_without_a_proxy_a_failure_stands_as_it_is(cluster: Cluster) -> None:
    cluster.client = LoadClient(cluster.api, "staging", print, lambda _: None)
    cluster.answers["aleph"] = counted({"0.1": 459}, failures=1)
    (result,) = cluster.client.measure([Check("aleph", "everybody", {"0.1": 100})])
    assert result["sentence"].endswith("1 of 460 requests failed: status 503, no more is known")


@pytest.mark.parametrize("output", ["", '{"targets": {"aleph', "Traceback"])
def test_an_output_that_is_no_summary_is_said(cluster: Cluster, output: str) -> None:
    cluster.answers["aleph"], cluster.output = counted({}), output
    with pytest.raises(pod_exec.ExecError, match="python -m load run in pod load-1 gave no summary"):
        cluster.client.measure([Check("aleph", "everybody", {"0.1": 100})])


def test_what_was_lost_meanwhile_is_reported_and_explained(cluster: Cluster) -> None:
    cluster.answers = {"aleph": {**counted({"0.1": 9}, failures=1), "missing": 2}, "beth": counted({"0.1": 10})}
    report = cluster.client.report(1795519901.25)
    assert cluster.commands == [["python", "-m", "load", "report", "--since=1795519901.250"]]
    assert losses(report) == [
        "1 of 10 requests to aleph failed: status 503, response flag UH: the subset has no healthy endpoint "
        f"(cluster {CLUSTER}); 2 without any outcome."
    ]


def spans(cluster: Cluster) -> list[list[str]]:
    return [command[4:] for command in cluster.commands]


def test_what_failed_before_the_change_already_is_told_and_not_counted(cluster: Cluster) -> None:
    failing, fine = {"aleph": counted({"0.1": 9}, failures=1)}, {"aleph": counted({"0.1": 10})}
    cluster.in_turn = [failing, fine]
    report = cluster.client.report(1795519901.25, held=1795519907.5)
    assert spans(cluster) == [["--since=1795519871.250", "--until=1795519901.250"], ["--since=1795519907.500"]]
    assert losses(report) == []
    assert report["before"]["targets"] == failing


def test_without_failures_before_every_one_since_counts(cluster: Cluster) -> None:
    failing, fine = {"aleph": counted({"0.1": 9}, failures=1)}, {"aleph": counted({"0.1": 10})}
    cluster.in_turn = [fine, failing]
    report = cluster.client.report(1795519901.25, held=1795519907.5)
    assert spans(cluster)[1] == ["--since=1795519901.250"]
    assert len(losses(report)) == 1
    assert "before" not in report


def test_nothing_is_asked_of_the_time_before_the_client_has_started(cluster: Cluster) -> None:
    cluster.answers["aleph"] = counted({"0.1": 5})
    running = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    cluster.api.objects[POD]["status"]["containerStatuses"] = [{"name": "load", "state": running}]
    cluster.client.report(1767225609.0, held=1767225610.0)
    assert spans(cluster)[0] == ["--since=1767225605.000", "--until=1767225609.000"]


def test_a_client_that_has_started_since_cannot_tell(cluster: Cluster) -> None:
    cluster.answers["aleph"] = counted({"0.1": 5})
    running = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    cluster.api.objects[POD]["status"]["containerStatuses"] = [{"name": "load", "state": running}]
    assert cluster.client.report(1767225606.0)["targets"] == cluster.answers
    assert cluster.client.report(1767225599.0) == {"targets": {}}
