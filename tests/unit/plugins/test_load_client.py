"""A split is measured with the load client, judged, and its failures explained."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import fisher_exact
from tests.unit.plugins.k8s.sockets import free_port

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import pod_exec
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.load_client import (
    WORSE_BY_CHANCE,
    Check,
    LoadClient,
    Mark,
    is_worse,
    losses,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.load_commands import FOLLOW

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
        monkeypatch.setattr(pod_exec, "Dialogue", self.begin)
        self.api = api
        self.answers: dict[str, dict[str, Any]] = {}
        self.in_turn: list[dict[str, dict[str, Any]]] = []
        self.output: str | None = None
        self.told: dict[str, Any] = {}
        self.commands: list[list[str]] = []
        # Dialogues that were begun, and those of them that are open.
        self.begun: list[pod_exec.Container] = []
        self.open = 0
        self.failing: list[Exception] = []
        self.code, self.errors = 0, ""
        self.slept: list[float] = []
        self.logged_after = 0
        self.client = LoadClient(api, "staging", list[str]().append, self.sleep)

    def begin(self, _api: Any, where: pod_exec.Container, program: list[str], _say: Any) -> Cluster:
        assert program[:2] == ["python", "-c"]
        self.begun.append(where)
        self.open += 1
        return self

    def close(self) -> None:
        self.open -= 1

    def ask(self, doing: str, line: str, _timeout: float) -> str:
        if self.failing:
            raise self.failing.pop(0)
        command = json.loads(line)
        self.commands.append(command)
        assert doing == f"python -m load {command[0]} in pod {self.begun[-1].pod}"
        if command[0] == "now":
            said: dict[str, Any] = self.told
        else:
            said = {"targets": self.in_turn.pop(0) if self.in_turn else self.answering(command)}
        return self.output if self.output is not None else json.dumps([self.code, json.dumps(said), self.errors])

    def answering(self, command: list[str]) -> dict[str, dict[str, Any]]:
        names = [word.removeprefix("--target=").partition("=")[0] for word in command if "--target=" in word]
        return {name: self.answers[name.rpartition("-")[0]] for name in names} or self.answers

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
    assert cluster.commands == [["run", "--requests=580", "--target=aleph-0=http://aleph/name"]]
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
    assert [command[1:] for command in cluster.commands] == [
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


NO_SUMMARY = {
    "": "nothing",
    '{"targets": {"aleph': "cut off",
    "Traceback": "words",
    "7": "a number",
    "[0]": "too little",
    '[0, "no JSON", ""]': "words in it",
    '[0, "7", ""]': "a number in it",
    "[0, null, 1]": "null in it",
    "[" * 100_000: "without end",
}


@pytest.mark.parametrize("output", NO_SUMMARY, ids=NO_SUMMARY.values())
def test_an_output_that_is_no_summary_is_said(cluster: Cluster, output: str) -> None:
    cluster.answers["aleph"], cluster.output = counted({}), output
    with pytest.raises(pod_exec.ExecError, match="python -m load run in pod load-1 gave no summary") as refused:
        cluster.client.measure([Check("aleph", "everybody", {"0.1": 100})])
    assert len(str(refused.value)) < 300


def test_a_command_that_is_refused_is_said_in_its_last_words(cluster: Cluster) -> None:
    cluster.code, cluster.errors = 2, "459 sent\npython -m load: the records begin at 12.000\n"
    with pytest.raises(pod_exec.ExecError) as refused:
        cluster.client.mark()
    assert str(refused.value) == (
        "python -m load now in pod load-1 failed: python -m load: the records begin at 12.000 (exit code 2)"
    )
    assert not cluster.open


def test_the_program_follows_the_real_load_client() -> None:
    services = Path(__file__).parents[3] / "services"
    environ = {**os.environ, "PYTHONPATH": f"{services / 'alephbeth/load'}{os.pathsep}{services / 'common'}"}
    asked = [
        ["run", "--requests=3", f"--target=aleph=http://127.0.0.1:{free_port()}/name"],
        ["run", "--requests=none", "--target=aleph=http://aleph/name"],
        ["report", "--since=1", "--until=1"],
        ["run", "--requests=2", f"--target=beth=http://127.0.0.1:{free_port()}/name"],
    ]
    told = subprocess.run(
        [sys.executable, "-c", FOLLOW],
        env=environ,
        input="".join(json.dumps(command) + "\n" for command in asked),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    first, wrong, early, last = map(json.loads, told.stdout.splitlines())
    assert (first[0], json.loads(first[1])["targets"]["aleph"]["failed"]) == (0, 3)
    assert (wrong[0], wrong[1]) == (2, "")
    assert "--requests: 'none' is given, but it must be a whole number" in wrong[2]
    assert wrong[2] in told.stderr
    assert (early[0], early[2].startswith("python -m load: --until is 1.0, but it must be later")) == (2, True)
    assert (last[0], json.loads(last[1])["targets"]["beth"]["sent"]) == (0, 2)


def test_one_dialogue_serves_all_that_is_asked_while_connected(cluster: Cluster) -> None:
    cluster.told, cluster.answers["aleph"] = NOW, counted({"0.1": 459})
    with cluster.client.connected():
        since = cluster.client.mark()
        cluster.client.measure([Check("aleph", "everybody", {"0.1": 100})])
        cluster.client.report(since)
        assert cluster.open == 1
    assert (len(cluster.begun), cluster.open, len(cluster.commands)) == (1, 0, 5)
    cluster.client.mark()
    assert (len(cluster.begun), cluster.open) == (2, 0)


def test_a_report_is_one_dialogue(cluster: Cluster) -> None:
    cluster.told, cluster.answers = NOW, FINE
    cluster.client.report(SINCE, HELD)
    assert (len(cluster.begun), cluster.open, len(cluster.commands)) == (1, 0, 4)


def test_another_pod_is_another_dialogue(cluster: Cluster) -> None:
    cluster.told = NOW
    with cluster.client.connected():
        cluster.client.mark()
        cluster.api.objects.pop(POD)
        ready = {"conditions": [{"type": "Ready", "status": "True"}]}
        cluster.api.put(POD.replace("load-1", "load-2"), metadata={"labels": {"app": "load"}}, status=ready)
        cluster.client.mark()
        assert [where.pod for where in cluster.begun] == ["load-1", "load-2"]
        assert cluster.open == 1
    assert not cluster.open


CUT, SILENT = pod_exec.CutOffError("cut"), pod_exec.ExecError("not done")


@pytest.mark.parametrize(
    ("before", "failing", "begun", "raised"),
    [
        (True, [CUT], 2, None),  # the API server was away between two questions
        (True, [CUT, CUT], 2, CUT),  # the new one, too
        (False, [CUT], 1, CUT),  # one that has only just begun
        (True, [SILENT], 1, SILENT),  # whoever does not answer is not asked again
    ],
)
def test_a_dialogue_that_was_cut_off_meanwhile_is_begun_anew_once(
    cluster: Cluster, before: bool, failing: list[pod_exec.ExecError], begun: int, raised: pod_exec.ExecError | None
) -> None:
    cluster.told = NOW
    with cluster.client.connected():
        if before:
            cluster.client.mark()
        cluster.failing = list(failing)
        if raised:
            with pytest.raises(type(raised), match=str(raised)):
                cluster.client.mark()
            assert cluster.open == 0
        else:
            assert cluster.client.mark() == SINCE
            assert cluster.open == 1
    assert (len(cluster.begun), cluster.open) == (begun, 0)


@pytest.mark.parametrize("error", [BrokenPipeError("nobody reads what is said"), ValueError("no JSON"), SILENT])
def test_a_question_that_was_left_whatever_the_reason_ends_its_dialogue(cluster: Cluster, error: Exception) -> None:
    cluster.told = NOW
    with cluster.client.connected():
        cluster.client.mark()
        cluster.failing = [error]
        with pytest.raises(type(error)):
            cluster.client.mark()
        assert cluster.open == 0, "its answer would be taken for the next question's"
        assert cluster.client.mark() == SINCE
    assert (len(cluster.begun), cluster.open) == (2, 0)


NOW = {"now": 100.25, "run": "r1", "begin": 10.0, "targets": ["aleph", "beth"]}
SINCE = Mark(100.25, "r1", 10.0, ("aleph", "beth"))
HELD = replace(SINCE, now=107.5)


def spans(cluster: Cluster) -> list[list[str]]:
    return [command[1:] for command in cluster.commands if command[0] == "report"]


def reported(cluster: Cluster, during: Any, before: Any, after: Any, services: Any = ("aleph", "beth")) -> Any:
    cluster.told, cluster.in_turn = NOW, [during, before, after, before]
    report = cluster.client.report(SINCE, HELD)
    assert report is not None
    return losses(report, services)


FINE, FAILING = {"aleph": counted({"0.1": 10})}, {"aleph": counted({"0.1": 9}, failures=1)}


def test_the_moment_is_told_by_the_clock_that_the_records_go_by(cluster: Cluster) -> None:
    cluster.told = NOW
    assert cluster.client.mark() == SINCE
    assert cluster.commands == [["now"]]
    assert not SINCE.idle
    cluster.told = {**NOW, "targets": []}
    assert cluster.client.mark().idle


def test_requests_are_counted_before_during_and_after_the_change(cluster: Cluster) -> None:
    assert reported(cluster, FINE, FINE, FINE) == ([], [])
    assert spans(cluster) == [
        ["--since=100.250000", "--until=107.500000"],
        ["--since=70.250000", "--until=100.250000"],
        ["--since=107.500000"],
    ]


def test_a_client_that_began_lately_is_asked_for_what_it_has(cluster: Cluster) -> None:
    cluster.told, cluster.in_turn = {**NOW, "begin": 99.0}, [FINE, FINE, FINE]
    cluster.client.report(SINCE, HELD)
    assert spans(cluster)[1] == ["--since=99.001000", "--until=100.250000"]


@pytest.mark.parametrize(("during", "after"), [(FAILING, FINE), (FINE, FAILING)])
def test_a_request_that_failed_is_lost_and_explained(cluster: Cluster, during: Any, after: Any) -> None:
    (lost,), told = reported(cluster, during, FINE, after)
    assert lost == (
        "1 of 20 requests to aleph failed: status 503, response flag UH: the subset has no healthy endpoint "
        f"(cluster {CLUSTER})."
    )
    assert told == []


def test_what_failed_before_the_change_already_is_told_and_not_lost(cluster: Cluster) -> None:
    lost, (told,) = reported(cluster, FAILING, FAILING, FINE)
    assert lost == []
    assert "failing before this change already (1 of the last 10)" in told
    assert "until the proxies held it (1 of 10)" in told


def test_what_fails_after_the_change_is_lost_whatever_was_before(cluster: Cluster) -> None:
    lost, _ = reported(cluster, FAILING, FAILING, FAILING)
    assert len(lost) == 1


def test_another_services_failures_are_told_and_not_this_stages(cluster: Cluster) -> None:
    lost, (told,) = reported(cluster, FAILING, FINE, FINE, services=("beth",))
    assert lost == []
    assert "not this stage's, 1 of 20 requests to aleph failed" in told


def test_a_client_that_began_anew_cannot_tell(cluster: Cluster) -> None:
    cluster.told = {**NOW, "run": "r2"}
    assert cluster.client.report(SINCE, HELD) is None


def test_what_fails_more_often_than_before_is_lost_all_the_same(cluster: Cluster) -> None:
    worse = {"aleph": counted({"0.1": 10}, failures=30)}
    before = {"aleph": counted({"0.1": 149}, failures=1)}
    (lost,), _ = reported(cluster, worse, before, FINE)
    assert lost.startswith("30 of 50 requests to aleph failed")


def test_what_began_to_fail_just_before_the_change_was_failing_already(cluster: Cluster) -> None:
    during = {"aleph": counted({}, failures=30)}
    before = {"aleph": counted({"0.1": 130}, failures=20)}
    lately = {"aleph": counted({}, failures=10)}
    cluster.told, cluster.in_turn = NOW, [during, before, FINE, lately]
    report = cluster.client.report(SINCE, HELD)
    assert report is not None
    assert spans(cluster)[3] == ["--since=98.250000", "--until=100.250000"]
    lost, (told,) = losses(report, ("aleph",))
    assert lost == []
    assert "failing before this change already (10 of the last 10)" in told


def test_where_requests_failed_more_of_them_are_no_remedy(cluster: Cluster) -> None:
    cluster.answers["aleph"] = counted({"0.1": 389}, failures=70)
    (result,) = cluster.client.measure([Check("aleph", "everybody", {"0.1": 100})])
    assert result["verdict"] == "too few requests"
    assert result["sentence"].startswith("aleph for everybody, 100 % to 0.1: 70 of 459 requests failed: status 503, ")


@pytest.mark.parametrize("before", [(150, 1), (150, 75), (1, 1), (1000, 3), (150, 150)])
@pytest.mark.parametrize("during", [(0, 0), (1, 1), (40, 0), (40, 22), (40, 26), (40, 40), (3000, 15), (3000, 40)])
def test_what_fails_more_often_is_what_fishers_exact_test_calls_so(
    before: tuple[int, int], during: tuple[int, int]
) -> None:
    table = [[during[1], during[0] - during[1]], [before[1], before[0] - before[1]]]
    counts = [{"sent": sent, "failed": failed} for sent, failed in (before, during)]
    assert is_worse(*counts) == (fisher_exact(table, alternative="greater").pvalue < WORSE_BY_CHANCE)
