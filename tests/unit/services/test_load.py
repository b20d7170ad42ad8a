"""The load client, over a real server that answers, waits, fails, resets and cuts off."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from load import client, records
from load.client import Client, Limits, Outcome, Request, Target
from load.metrics import Metered
from load.records import Reader, Records, RecordsError, report
from load.summary import Summary, in_words, percentile

SERVICES = Path(__file__).resolve().parents[3] / "services"
NEVER = threading.Event()


class Server(ThreadingHTTPServer):
    """Answers as the path says: /ok, /fail, /slow, /drip, /reset, /closed, /cut, /together (once 20 have asked)."""

    daemon_threads, request_queue_size = True, 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.seen: list[Message] = []
        self.together = threading.Barrier(20)

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def target(self, path: str, name: str = "aleph") -> Target:
        return Target(name, "127.0.0.1", self.server_port, path)

    def ids(self) -> list[str]:
        return sorted(str(headers["x-request-id"]) for headers in self.seen)


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.seen.append(self.headers)
        if self.path == "/reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if self.path in ("/reset", "/closed"):
            self.connection.close()
            return
        if self.path == "/together":
            self.server.together.wait(5)
        if self.path == "/slow":
            time.sleep(0.5)
        self.send_response({"/fail": 500, "/moved": 302}.get(self.path, 200))
        self.send_header("X-Service-Version", "0.3")
        self.send_header("Content-Length", "5")
        while self.path == "/endless":
            self.send_header("X-More", "and more")
            try:
                self.flush_headers()
            except ConnectionError:
                return
            time.sleep(0.05)
        self.end_headers()
        for letter in "okay" if self.path == "/cut" else "okay!":
            with contextlib.suppress(ConnectionError):
                self.wfile.write(letter.encode())
            time.sleep(0.08 if self.path == "/drip" else 0)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True).start()
        yield made
        made.shutdown()


class Kept:
    """A recorder that keeps everything."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.outcomes: dict[int, Outcome] = {}

    def sent(self, request: Request) -> None:
        self.requests.append(request)

    def outcome(self, request: Request, outcome: Outcome) -> None:
        assert request in self.requests
        assert request.sequence not in self.outcomes
        self.outcomes[request.sequence] = outcome

    def shown(self) -> list[tuple[int | None, str | None]]:
        return [(outcome.status, outcome.error) for _, outcome in sorted(self.outcomes.items())]


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/ok", 200, None),
        ("/fail", 500, None),
        ("/moved", 302, None),
        ("/endless", None, "no answer within 0.3 s"),
        ("/slow", None, "no answer within 0.3 s"),
        ("/drip", None, "no answer within 0.3 s"),
        ("/reset", None, "connection closed before the answer"),
        ("/closed", None, "connection closed before the answer"),
        ("/cut", None, "connection closed in the middle of the answer"),
    ],
)
def test_each_request_has_one_outcome_and_is_never_sent_again(
    server: Server, path: str, status: int | None, error: str | None
) -> None:
    kept = Kept()
    Client([server.target(path)], kept, timeout=0.3).as_answered(2, NEVER, Limits(requests=3))
    assert kept.shown() == [(status, error)] * 3
    assert {outcome.failed for outcome in kept.outcomes.values()} == {status != 200}
    assert server.ids() == sorted(request.id for request in kept.requests)
    assert len(set(server.ids())) == 3


@pytest.mark.parametrize(
    ("host", "error"), [("127.0.0.1", "connection refused"), ("nowhere.invalid", "name not known")]
)
def test_a_service_that_is_not_there_is_a_failure(host: str, error: str) -> None:
    kept = Kept()
    Client([Target("aleph", host, 1)], kept).at_rate(500, NEVER, Limits(requests=5))
    assert kept.shown() == [(None, error)] * 5


def test_an_open_loop_does_not_wait_for_answers(server: Server) -> None:
    kept = Kept()
    Client([server.target("/together")], kept).at_rate(100, NEVER, Limits(requests=20))
    assert kept.shown() == [(200, None)] * 20  # none, unless all of them are asked at once
    assert kept.outcomes[0].latency_ms >= 190  # the first one has waited for the last


def test_request_n_is_due_at_its_time_and_its_latency_counts_from_then(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept()
    real = socket.create_connection

    def late(*arguments: Any) -> socket.socket:
        time.sleep(0.2)  # as if this process had to wait for a processor
        return real(*arguments)

    monkeypatch.setattr(socket, "create_connection", late)
    begun = time.time()
    Client([server.target("/ok")], kept).at_rate(50, NEVER, Limits(seconds=0.5))
    assert len(kept.requests) == 25
    offsets = [request.at - begun - request.sequence / 50 for request in kept.requests]
    assert max(offsets) - min(offsets) < 0.005
    assert min(outcome.latency_ms for outcome in kept.outcomes.values()) >= 200


def test_one_slow_target_does_not_delay_the_other(server: Server) -> None:
    summary = Summary(["slow", "quick"])
    places = [server.target("/slow", "slow"), server.target("/ok", "quick")]
    Client(places, summary).at_rate(50, NEVER, Limits(requests=20))
    found = summary.result(0, 1)["targets"]
    assert found["slow"]["latency_ms"]["p50"] >= 500
    assert found["quick"]["latency_ms"]["p50"] < 250


def test_more_in_flight_than_allowed_is_a_failure(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MOST_IN_FLIGHT", 2)
    kept = Kept()
    Client([server.target("/slow")], kept).at_rate(100, NEVER, Limits(requests=10))
    assert kept.shown() == [(200, None)] * 2 + [(None, "not sent: 2 others wait for their answers")] * 8
    assert len(server.seen) == 2


def test_a_place_is_free_again_after_the_answer(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MOST_IN_FLIGHT", 2)
    kept = Kept()
    Client([server.target("/ok")], kept).at_rate(5, NEVER, Limits(requests=6))
    assert kept.shown() == [(200, None)] * 6


def test_each_name_is_looked_up_once_and_again_when_it_is_old(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = socket.getaddrinfo

    def look_up(host: str, *more: Any) -> Any:
        # Threads of an earlier test may still ask for other names.
        if host in ("aleph", "beth"):
            asked.append(host)
        return real("127.0.0.1", *more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(socket, "create_connection", connect)
    summary = Summary(["aleph", "beth"])
    places = [Target(name, name, server.server_port, "/ok") for name in ("aleph", "beth")]
    Client(places, summary).as_answered(1, NEVER, Limits(requests=5))
    assert sorted(asked) == ["aleph", "beth"]
    monkeypatch.setattr(client, "ADDRESS_SECONDS", 0.0)
    Client(places, summary).as_answered(1, NEVER, Limits(requests=5))
    assert len(asked) == 2 + 10
    assert len(server.seen) == 20


def connect(address: tuple[str, int], timeout: float) -> socket.socket:
    """Connect without looking a name up."""
    made = socket.socket()
    made.settimeout(timeout)
    made.connect(address)
    return made


def test_a_closed_loop_ends_by_time(server: Server) -> None:
    summary = Summary(["aleph"])
    begun = time.monotonic()
    Client([server.target("/ok")], summary).as_answered(2, NEVER, Limits(seconds=0.5))
    assert 0.5 <= time.monotonic() - begun < 2
    counts = summary.result(0, 1)["targets"]["aleph"]
    assert counts["sent"] == counts["answered"] == len(server.seen) > 20


def test_no_connection_leaves_a_port_behind(server: Server) -> None:
    Client([server.target("/ok")], Kept()).as_answered(4, NEVER, Limits(requests=100))
    ours = f"0100007F:{server.server_port:04X}"
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    assert [fields for fields in sockets if fields[2] == ours and fields[3] == "06"] == []


def request(sequence: int, at: float = 0.0, target: str = "aleph") -> Request:
    return Request(target, sequence, f"load-r1-{target}-{sequence}", at)


def test_a_summary_counts_by_status_error_and_version() -> None:
    summary = Summary(["aleph"])
    outcomes = [Outcome(n + 1.0, 200, version="0.3") for n in range(97)]
    outcomes += [Outcome(98.0, 500, version="0.3"), Outcome(99.0, 200, version="0.1")]
    outcomes += [Outcome(5000.0, error="connection refused")]
    for sequence, outcome in reversed(list(enumerate(outcomes, 7))):
        summary.sent(request(sequence, 1000.5))
        summary.outcome(request(sequence, 1000.5), outcome)
    found = summary.result(1000.0, 1010.0)
    assert in_words(found) == "aleph: 100 sent, 2 failed"
    refused, broken = found["targets"]["aleph"].pop("failures")
    assert (refused["error"], broken["status"], broken["version"]) == ("connection refused", 500, "0.3")
    assert (broken["sequence"], broken["request_id"], broken["at"]) == (104, "load-r1-aleph-104", 1000.5)
    assert found["targets"]["aleph"] == {
        "sent": 100,
        "answered": 99,
        "failed": 2,
        "missing": 0,
        "rate": 10.0,
        "statuses": {"200": 98, "500": 1},
        "errors": {"connection refused": 1},
        "versions": {"0.1": 1, "0.3": 97},  # an answer that failed is no share of a split
        "latency_ms": {"p50": 50.0, "p90": 90.0, "p99": 99.0, "max": 99.0},
    }


def test_a_gap_in_the_sequence_is_missing_and_a_failure() -> None:
    summary = Summary(["aleph"])
    for sequence in (3, 4, 7):
        summary.sent(request(sequence))
        summary.outcome(request(sequence), Outcome(1.0, 200))
    summary.sent(request(9))
    found = summary.result(0, 1)["targets"]["aleph"]
    assert (found["sent"], found["answered"], found["missing"], found["failed"]) == (7, 3, 4, 4)


def test_a_summary_of_nothing_has_no_percentiles() -> None:
    found = Summary(["aleph"]).result(5.0, 5.0)["targets"]["aleph"]
    assert (found["sent"], found["failed"], found["rate"]) == (0, 0, None)
    assert set(found["latency_ms"].values()) == {None}


def test_a_summary_shows_the_first_failures_alone() -> None:
    summary = Summary(["aleph"])
    for sequence in range(100):
        summary.sent(request(sequence))
        summary.outcome(request(sequence), Outcome(1.0, 503))
    found = summary.result(0, 1)["targets"]["aleph"]
    assert found["failed"] == 100
    assert [failure["sequence"] for failure in found["failures"]] == list(range(20))


@pytest.mark.parametrize(
    ("values", "percent", "wanted"),
    [([1.0], 50, 1.0), ([1.0, 2.0], 50, 1.0), ([1.0, 2.0, 3.0], 50, 2.0), ([1.0, 2.0, 3.0], 99, 3.0), ([], 50, None)],
)
def test_percentiles_are_values_that_were_measured(values: list[float], percent: int, wanted: float | None) -> None:
    assert percentile(values, percent) == wanted


@pytest.fixture
def kept_on_disk(tmp_path: Path) -> Records:
    """Ten requests that were due 1 ms apart, from the records' begin on, all answered."""
    made = Records(tmp_path, ["aleph"], "r1", timeout=0.2)
    time.sleep(0.02)
    for sequence in range(10):
        asked = request(sequence, made.begin + sequence / 1000)
        made.sent(asked)
        made.outcome(asked, Outcome(1.0, 200, version="0.3"))
    return made


def test_windows_side_by_side_hold_each_request_once(tmp_path: Path, kept_on_disk: Records) -> None:
    kept_on_disk.end()
    edges = [kept_on_disk.begin + offset for offset in (0, 0.0035, 0.0055, 1)]
    windows = [report(tmp_path, since, until)["targets"]["aleph"] for since, until in itertools.pairwise(edges)]
    assert [(counts["sent"], counts["answered"]) for counts in windows] == [(4, 4), (2, 2), (4, 4)]


def test_a_report_waits_for_what_is_in_flight_and_for_what_is_still_to_be_sent(
    tmp_path: Path, kept_on_disk: Records
) -> None:
    until = time.time()
    in_flight, overdue, after = (request(10 + n, until + offset) for n, offset in enumerate((-0.002, -0.001, 0.01)))
    kept_on_disk.sent(in_flight)

    def go_on() -> None:
        time.sleep(0.3)
        kept_on_disk.outcome(in_flight, Outcome(300.0, 503))
        time.sleep(0.2)
        kept_on_disk.sent(overdue)
        kept_on_disk.outcome(overdue, Outcome(1.0, 200))
        kept_on_disk.sent(after)

    thread = threading.Thread(target=go_on)
    thread.start()
    found = report(tmp_path, kept_on_disk.begin, until)["targets"]["aleph"]
    thread.join()
    assert [failure["request_id"] for failure in found["failures"]] == ["load-r1-aleph-10"]
    assert (found["sent"], found["answered"], found["missing"]) == (12, 12, 0)


def test_what_never_has_an_outcome_is_missing_once_its_time_is_over(tmp_path: Path, kept_on_disk: Records) -> None:
    kept_on_disk.sent(request(10, time.time()))
    begun = time.monotonic()
    found = report(tmp_path, kept_on_disk.begin)["targets"]["aleph"]
    assert 1.1 < time.monotonic() - begun < 3
    assert (found["sent"], found["missing"], found["failed"]) == (11, 1, 1)


def test_a_line_that_is_being_written_is_read_when_it_is_whole(tmp_path: Path, kept_on_disk: Records) -> None:
    (segment,) = tmp_path.glob("*.jsonl")
    with contextlib.closing(Reader(tmp_path, kept_on_disk.begin, kept_on_disk.begin + 1)) as reader:
        with segment.open("ab", buffering=0) as file:
            file.write(b'["aleph",10,')
            assert reader.read() is False
            file.write(f"{kept_on_disk.begin + 0.5}]\n[]\n".encode())
        reader.read()
        assert (reader.summary.missing, reader.summary.result(0, 1)["targets"]["aleph"]["sent"]) == (1, 11)


def test_the_oldest_records_are_forgotten_and_nobody_reports_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "SEGMENT_BYTES", 500)
    monkeypatch.setattr(records, "SEGMENTS", 3)
    made = Records(tmp_path, ["aleph"], "r1", timeout=0.2)
    asked = []
    for sequence in range(100):
        asked.append(request(sequence, round(time.time(), 6)))
        made.sent(asked[-1])
        made.outcome(asked[-1], Outcome(1.0, 200))
    made.end()
    segments = sorted(tmp_path.glob("*.jsonl"))
    assert len(segments) == 3
    assert sum(segment.stat().st_size for segment in segments) < 3 * 600
    with pytest.raises(RecordsError, match=r"^the records begin at [0-9.]+, but --since is .* type --since=[0-9.]+ or"):
        report(tmp_path, made.begin)
    for segment in segments:
        # What is due while a segment begins is in it or in the one before.
        wanted = [each for each in asked if each.at >= float(segment.stem)]
        found = report(tmp_path, float(segment.stem))["targets"]["aleph"]
        assert (found["sent"], found["answered"]) == (len(wanted), len(wanted))


def test_records_of_an_earlier_process_are_not_taken_for_its_own(tmp_path: Path, kept_on_disk: Records) -> None:
    Records(tmp_path, ["aleph"], "r2", timeout=0.2).end()
    with pytest.raises(RecordsError, match="the records begin at"):
        report(tmp_path, kept_on_disk.begin)


def start(tmp_path: Path, *words: str, **environ: str) -> subprocess.Popen[str]:
    return start_python(tmp_path, ["-m", "load", *words], environ)


def start_python(tmp_path: Path, words: list[str], environ: dict[str, str]) -> subprocess.Popen[str]:
    path = os.pathsep.join(str(SERVICES / name) for name in ("alephbeth/load", "common"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": path, "TMPDIR": str(tmp_path), "PROBE_PORT": str(port)}
    command = [sys.executable, *words]
    return subprocess.Popen(command, env=env | environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=20)
    return process.returncode, output, errors


def summed_up(process: subprocess.Popen[str]) -> dict[str, Any]:
    code, output, errors = ended(process)
    assert (code, errors) == (0, "")
    found: dict[str, Any] = json.loads(output)
    return found


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_serve_sends_reports_and_ends_without_losing_anything(tmp_path: Path, server: Server) -> None:
    targets = f"aleph=http://{server.place}/ok beth=http://{server.place}/slow"
    begun = time.time()
    serving = start(tmp_path, "serve", LOAD_TARGETS=targets, LOAD_RATE="20")
    until(lambda: len(server.seen) >= 20)
    code, output, errors = ended(start(tmp_path, "report", f"--since={begun:.3f}"))
    assert (code, output) == (2, "")
    assert errors.startswith("python -m load: the records begin at ")
    since = time.time()
    time.sleep(1)
    found = summed_up(start(tmp_path, "report", f"--since={since}"))
    assert set(found["targets"]) == {"aleph", "beth"}
    for counts in found["targets"].values():
        assert abs(counts["sent"] - 20 * (found["until"] - since)) <= 1
        assert (counts["answered"], counts["failed"], counts["missing"]) == (counts["sent"], 0, 0)
    serving.send_signal(signal.SIGTERM)
    code, output, errors = ended(serving)
    assert (code, errors) == (0, "")
    starting, last = map(json.loads, output.splitlines())
    assert starting["message"] == "starting: 20 requests a second to each of aleph, beth"
    # beth's last ones were waited for: every request that the server has seen was answered, and is accounted for.
    assert [counts["failed"] for counts in last["targets"].values()] == [0, 0]
    assert sum(counts["answered"] for counts in last["targets"].values()) == len(server.seen)
    assert {line["level"] for line in (starting, last)} == {"info"}


def test_serve_counts_failures_and_goes_on(tmp_path: Path, server: Server) -> None:
    targets = f"aleph=http://{server.place}/fail beth=http://127.0.0.1:1/"
    serving = start(tmp_path, "serve", LOAD_TARGETS=targets, LOAD_RATE="50")
    until(lambda: len(server.seen) >= 20)
    serving.send_signal(signal.SIGTERM)
    signalled = time.monotonic()
    code, output, _ = ended(serving)
    assert time.monotonic() - signalled < 5  # and not the 11 s that an answer may take
    found = json.loads(output.splitlines()[-1])["targets"]
    assert code == 0
    assert found["aleph"]["statuses"] == {"500": found["aleph"]["sent"]}
    assert found["beth"]["errors"] == {"connection refused": found["beth"]["sent"]}
    assert found["aleph"]["failed"] == found["aleph"]["sent"] >= 20


def start_changed(tmp_path: Path, change: str, **environ: str) -> subprocess.Popen[str]:
    """Serve after a line of Python."""
    program = f"import sys, load.__main__ as main\n{change}\nsys.exit(main.main(['serve']))"
    return start_python(tmp_path, ["-c", program], environ)


def test_what_is_logged_is_each_request_once(tmp_path: Path, server: Server) -> None:
    serving = start_changed(tmp_path, "main.LOG_SECONDS = 0.3", LOAD_TARGETS=f"aleph=http://{server.place}/ok")
    until(lambda: len(server.seen) >= 5)
    serving.send_signal(signal.SIGTERM)
    _, *windows = map(json.loads, ended(serving)[1].splitlines())
    assert len(windows) >= 2
    assert all(after["since"] == before["until"] for before, after in itertools.pairwise(windows))
    assert sum(window["targets"]["aleph"]["answered"] for window in windows) == len(server.seen)


def test_what_is_sent_while_a_summary_waits_is_in_the_last_one(tmp_path: Path, server: Server) -> None:
    environ = {"LOAD_TARGETS": f"aleph=http://{server.place}/slow", "LOAD_RATE": "20"}
    serving = start_changed(tmp_path, "main.LOG_SECONDS = 0.3", **environ)
    until(lambda: len(server.seen) >= 9)  # the first summary waits for its answers
    serving.send_signal(signal.SIGTERM)
    _, *windows = map(json.loads, ended(serving)[1].splitlines())
    assert sum(window["targets"]["aleph"]["answered"] for window in windows) == len(server.seen)


def test_serve_ends_when_it_cannot_send_any_more(tmp_path: Path) -> None:
    code, _, errors = ended(start_changed(tmp_path, "main.Client.at_rate = lambda *_: 1 / 0"))
    assert code == 1
    assert "ZeroDivisionError" in errors


def test_at_rate_0_nothing_is_sent_and_a_report_says_so(tmp_path: Path) -> None:
    serving = start(tmp_path, "serve", LOAD_RATE="0")
    until((tmp_path / "load/state.json").exists)
    assert summed_up(start(tmp_path, "report", f"--since={time.time()}"))["targets"] == {}
    serving.send_signal(signal.SIGTERM)
    code, output, errors = ended(serving)
    assert (code, errors) == (0, "")
    assert json.loads(output)["message"] == "idle: LOAD_RATE is 0"


def test_it_is_measured_by_prometheus_too(server: Server) -> None:
    registry, summary = CollectorRegistry(), Summary(["aleph", "beth"])
    targets = [server.target("/fail", "aleph"), server.target("/ok", "beth")]
    Client(targets, Metered(summary, registry)).as_answered(1, NEVER, Limits(requests=3))
    assert summary.result(0, 1)["targets"]["beth"]["answered"] == 3
    counted = {
        (name, target): registry.get_sample_value(f"load_{name}_total", {"target": target})
        for name in ("requests", "failures")
        for target in ("aleph", "beth")
    }
    assert counted == {
        ("requests", "aleph"): 3,
        ("requests", "beth"): 3,
        ("failures", "aleph"): 3,
        ("failures", "beth"): None,
    }
    labels = {"target": "beth", "version": "0.3"}
    assert registry.get_sample_value("load_latency_seconds_count", labels) == 3


def test_run_sends_its_own_headers_path_and_method(tmp_path: Path, server: Server) -> None:
    words = [f"--target=aleph=http://{server.place}/fail", f"--target=beth=http://{server.place}", "--requests=5"]
    words += ["--header=Cookie: user=developer", "--header=Cookie: a=1", "--path=/ok?x=1", "--method=POST"]
    found = summed_up(start(tmp_path, "run", *words))
    assert {name: counts["versions"] for name, counts in found["targets"].items()} == {
        "aleph": {"0.3": 5},
        "beth": {"0.3": 5},
    }
    assert len(server.seen) == 10
    for headers in server.seen:
        assert headers.get_all("Cookie") == ["user=developer", "a=1"]
        assert (headers["Host"], headers["Connection"], headers["Content-Length"]) == (server.place, "close", "0")


def test_run_ends_early_with_its_summary(tmp_path: Path, server: Server) -> None:
    for pace in (["--rate=20"], ["--concurrency=2"]):
        server.seen.clear()
        process = start(tmp_path, "run", f"--target=aleph=http://{server.place}/slow", "--seconds=60", *pace)
        until(lambda: len(server.seen) >= 4)
        process.send_signal(signal.SIGINT)
        found = summed_up(process)["targets"]["aleph"]
        assert found["answered"] == found["sent"] == len(server.seen)


ATTENDING = """\
import os, signal, threading
from load.__main__ import DONE, ENDINGS, attend

signal.pthread_sigmask(signal.SIG_BLOCK, (*ENDINGS, DONE))
stop = threading.Event()
SENT
attend(lambda: None, stop)
attend(lambda: stop.wait(0.2), stop)
print(stop.is_set())
"""


@pytest.mark.parametrize(
    ("sent", "stopped"),
    [
        ("", False),
        # Pending, it swallows the one that the work sends at its end.
        ("os.fork() or (os.kill(os.getppid(), DONE), os._exit(0)); os.wait()", False),
        ("os.kill(os.getpid(), signal.SIGTERM)", True),
    ],
)
def test_work_ends_when_it_is_done_whatever_signal_somebody_sends(tmp_path: Path, sent: str, stopped: bool) -> None:
    assert ended(start_python(tmp_path, ["-c", ATTENDING.replace("SENT", sent)], {})) == (0, f"{stopped}\n", "")


GOOD = "--target=aleph=http://aleph/name"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["walk"], "invalid choice: 'walk'"),
        (["report"], "required: --since"),
        (["report", "--since=yesterday"], "'yesterday' is given, but it must be a time in seconds since 1970"),
        (["report", "--since=-1"], "'-1' is given"),
        (["report", "--since=99999999999"], "no later than"),
        (["report", "--since=20", "--until=10"], "--until is 10.0, but it must be later than --since"),
        (["report", "--since=10"], "nothing has been sent from here: is `python -m load serve` running?"),
        (["run", "--requests=5"], "required: --target"),
        (["run", GOOD], "one of the arguments --requests --seconds is required"),
        (["run", GOOD, "--requests=5", "--seconds=5"], "not allowed with"),
        (["run", GOOD, "--requests=5", "--rate=5", "--concurrency=5"], "not allowed with"),
        (["run", GOOD, "--requests=0"], "'0' is given, but it must be a whole number from 1 to 1000000, for example"),
        (["run", GOOD, "--requests=1.5"], "a whole number"),
        (["run", GOOD, "--seconds=nan"], "a number from 0.1 to 3600"),
        (["run", GOOD, "--requests=5", "--rate=501"], "a number from 0.1 to 500"),
        (["run", GOOD, "--requests=5", "--concurrency=65"], "from 1 to 64"),
        (["run", GOOD, "--requests=5", "--timeout=0"], "from 0.1 to 20"),
        (["run", GOOD, "--requests=5", "--method=BREW"], "invalid choice: 'BREW'"),
        (["run", GOOD, "--requests=5", "--path=name"], "it must be a path, for example /version"),
        (["run", GOOD, "--requests=5", "--header=Cookie"], "it must be NAME: VALUE"),
        (["run", GOOD, "--requests=5", "--header=a: b\r\nc: d"], "it must be NAME: VALUE"),
        (["run", GOOD, "--requests=5", "--header=X-Request-Id: 1"], "none of connection, content-length, host"),
        (["run", GOOD, GOOD, "--requests=5"], "it must be targets of different names"),
        *[
            (["run", f"--target={target}", "--requests=5"], "it must be NAME=http://HOST[:PORT][/PATH]")
            for target in (
                "aleph",
                "aleph=https://aleph/",
                "aleph=http://",
                "=http://aleph",
                "a=http://b:0",
                "a=http://b/#c",
                "a=http://b..c/",
            )
        ],
    ],
)
def test_what_is_typed_wrongly_is_refused_in_one_sentence(tmp_path: Path, words: list[str], said: str) -> None:
    code, output, errors = ended(start(tmp_path, *words))
    assert (code, output) == (2, "")
    assert said in errors
    assert errors.startswith("python -m load")
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOAD_RATE", "501"),
        ("LOAD_RATE", "fast"),
        ("LOAD_TIMEOUT", "0"),
        ("LOAD_TIMEOUT", "21"),
        ("LOAD_TARGETS", "aleph"),
        ("LOAD_TARGETS", "aleph=http://aleph/ aleph=http://beth/"),
    ],
)
def test_a_bad_setting_is_refused_by_name(tmp_path: Path, name: str, value: str) -> None:
    code, output, errors = ended(start(tmp_path, "serve", **{name: value}))
    assert (code, output) == (2, "")
    assert errors.startswith(f"load does not start: {name}: ")
    assert "is given, but it must be" in errors
    assert errors.count("\n") == 1
