"""Many at once, and requests that are too large: refused at once, in the promised words, while probes are answered."""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from flask import Flask

if TYPE_CHECKING:
    from tests.unit.services.conftest import RunningService

pytestmark = pytest.mark.timeout(60)


def test_a_route_takes_three_places_in_four_and_leaves_the_others(make_backend: Callable[..., Flask]) -> None:
    app = make_backend(THREADS="4")
    go_on, inside = threading.Event(), threading.Semaphore(0)

    def wait() -> str:
        inside.release()
        go_on.wait(30)
        return "done"

    app.add_url_rule("/wait", "wait", wait)
    app.add_url_rule("/wait-too", "wait too", wait)
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(app.test_client().get, "/wait") for _ in range(3)]
        for _ in waiting:
            inside.acquire()
        refused = app.test_client().get("/wait")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
        assert refused.json == {
            "error": "3 requests are being worked on, which is all that this pod can do: try again in 2 s."
        }
        assert app.test_client().get("/name").status_code == 200
        assert "http_requests_in_flight 3.0" in app.test_client().get("/metrics").text

        waiting.append(pool.submit(app.test_client().get, "/wait-too"))
        inside.acquire()
        assert app.test_client().get("/name").status_code == 503
        for path in ("/healthz", "/readyz", "/metrics"):
            assert app.test_client().get(path).status_code == 200
        go_on.set()
        assert [future.result().status_code for future in waiting] == [200] * 4
    assert app.test_client().get("/wait").status_code == 200, "the places are given back"


def test_as_many_as_there_are_threads_are_answered_at_once(run_service: Callable[..., RunningService]) -> None:
    beth = run_service("beth", FAULTS="slow-version", THREADS="64", DRAIN_SECONDS="0")
    with ThreadPoolExecutor(40) as pool:
        # One after the other, or eight at once, they would take ten seconds and more.
        statuses = list(pool.map(lambda _: beth.get("/version", timeout=6)[0], range(40)))
    assert statuses == [200] * 40


def test_probes_are_answered_while_every_thread_is_busy(run_service: Callable[..., RunningService]) -> None:
    beth = run_service("beth", FAULTS="slow-version", THREADS="4", DRAIN_SECONDS="0")
    over = threading.Event()

    def keep_asking(_number: int) -> Counter[int]:
        found: Counter[int] = Counter()
        while not over.is_set():
            found[beth.get("/version")[0]] += 1
        return found

    with ThreadPoolExecutor(40) as pool:
        asking = [pool.submit(keep_asking, number) for number in range(40)]
        try:
            for _ in range(20):
                assert [beth.probe(path)[0] for path in ("/healthz", "/readyz", "/metrics")] == [200] * 3
        finally:
            over.set()
        counted = sum((future.result() for future in asking), Counter())
    assert set(counted) == {200, 503}
    assert counted[503] > counted[200], "what is refused is refused at once"


def test_the_probes_port_answers_probes_alone(run_service: Callable[..., RunningService]) -> None:
    aleph = run_service("aleph", DRAIN_SECONDS="0")
    assert aleph.probe("/version")[0] == 404
    assert aleph.probe("/devices")[0] == 404


def test_a_broken_service_fails_its_probe_on_both_ports(run_service: Callable[..., RunningService]) -> None:
    aleph = run_service("aleph", FAULTS="fails-under-traffic", DRAIN_SECONDS="0")
    for _ in range(21):
        aleph.get("/name")
    for get in (aleph.get, aleph.probe):
        assert [get(path)[0] for path in ("/healthz", "/readyz")] == [500, 200]


def exchange(port: int, *parts: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send everything, and only then read the answer, as simple clients do."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for part in parts:
            connection.sendall(part)
        received = b""
        while data := connection.recv(65536):
            received += data
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(first.split()[1]), headers, body


POST = b"POST /devices HTTP/1.1\r\nHost: aleph\r\nContent-Type: application/json\r\n"
CHUNK = b"400\r\n" + b" " * 1024 + b"\r\n"
TOO_LONG = "The body is longer than 16384 bytes, the most that a request may send."


@pytest.mark.parametrize(
    ("parts", "status", "reason"),
    [
        ([POST + b"Content-Length: 16385\r\n\r\n", b" " * 16385], 413, TOO_LONG),
        ([POST + b"Content-Length: 3000000\r\n\r\n", b" " * 3_000_000], 413, TOO_LONG),
        ([POST + b"Transfer-Encoding: chunked\r\n\r\n", CHUNK * 17, b"0\r\n\r\n"], 413, TOO_LONG),
        ([POST + b"Transfer-Encoding: chunked\r\n\r\n", CHUNK * 3000, b"0\r\n\r\n"], 413, TOO_LONG),
        ([POST + b"Transfer-Encoding: chunked\r\n\r\n", b"no number\r\n"], 400, "This is no HTTP request that"),
        ([POST + b"Transfer-Encoding: gzip\r\n\r\n"], 501, "This is no HTTP request that"),
        (
            [b"GET / HTTP/1.1\r\nHost: a\r\nCookie: " + b"; ".join([b"a=" + b"x" * 996] * 20) + b"\r\n\r\n"],
            431,
            "The headers, cookies included, are longer than 16384 bytes: send fewer cookies.",
        ),
        ([b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"], 431, "The headers, cookies included, are"),
        ([b"GET / HTTP/1.1\r\nno header\r\n\r\n"], 400, "This is no HTTP request that a service here can read: "),
        ([b"GET / HTTP/1.1\r\n\r\n"], 400, "This is no HTTP request that a service here can read: "),
        ([b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"], 400, "This is no HTTP request that a service here can"),
        ([b"\x00\x01\x02\r\n\r\n"], 400, "This is no HTTP request that a service here can read: "),
    ],
)
@pytest.mark.parametrize("service", ["aleph", "front"])
def test_what_is_too_large_or_no_request_is_answered_as_every_error(
    run_service: Callable[..., RunningService], service: str, parts: list[bytes], status: int, reason: str
) -> None:
    answer, headers, body = exchange(run_service(service, DRAIN_SECONDS="0").port, *parts)
    assert answer == status
    assert json.loads(body)["error"].startswith(reason)
    for name in ("x-request-id", "x-service-pod"):
        assert headers[name]
    assert (headers["x-service-version"], headers["content-type"]) == ("0.3", "application/json")


def test_the_longest_body_is_taken(run_service: Callable[..., RunningService]) -> None:
    aleph = run_service("aleph", DATABASE_URL="mongodb://127.0.0.1:1/", DRAIN_SECONDS="0")
    device = json.dumps({"name": "lamp", "uid": 7, "type": "light", "price": 9.5}).encode().ljust(16384)
    for parts in (
        [POST + b"Content-Length: 16384\r\n\r\n", device],
        [POST + b"Transfer-Encoding: chunked\r\n\r\n", b"4000\r\n" + device + b"\r\n0\r\n\r\n"],
    ):
        assert exchange(aleph.port, *parts)[0] == 503, "only its database is away"
