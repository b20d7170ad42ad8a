"""A service as it runs: on SIGTERM it loses no request."""

from __future__ import annotations

import http.client
import json
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.unit.services.conftest import RunningService


def test_a_stopping_service_loses_nothing(run_service: Callable[..., RunningService]) -> None:
    beth = run_service("beth", FAULTS="slow-version", DRAIN_SECONDS="3")
    statuses: list[int] = []
    stop = threading.Event()

    def load() -> None:
        while not stop.is_set():
            statuses.append(beth.get("/name")[0])

    with ThreadPoolExecutor(5) as pool:
        slow = [pool.submit(beth.get, "/version") for _ in range(3)]
        steady = pool.submit(load)
        time.sleep(0.3)
        beth.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        # It drains: told not to be sent anything, and still answering.
        assert beth.get("/readyz")[0] == 503
        assert beth.get("/healthz")[0] == 200
        late = pool.submit(beth.get, "/version")
        time.sleep(0.3)
        stop.set()
        steady.result()
        assert [future.result()[0] for future in [*slow, late]] == [200] * 4
    assert beth.process.wait(10) == 0
    assert set(statuses) == {200}


def test_an_impatient_stop_is_obeyed(run_service: Callable[..., RunningService]) -> None:
    aleph = run_service("aleph", DRAIN_SECONDS="30")
    aleph.process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    started = time.monotonic()
    aleph.process.send_signal(signal.SIGINT)
    aleph.process.wait(10)
    assert time.monotonic() - started < 5


def test_stdout_is_json_line_by_line(run_service: Callable[..., RunningService]) -> None:
    front = run_service("front", DRAIN_SECONDS="0")
    front.get("/version", headers={"traceparent": "00-1-2-01"})
    front.process.terminate()
    assert front.process.wait(10) == 0
    lines = [json.loads(line) for line in front.log.read_text().splitlines()]
    assert {line["service"] for line in lines} == {"front"}
    assert [line["traceparent"] for line in lines if line["message"] == "GET /version 200"] == ["00-1-2-01"]


def test_every_answer_closes_its_connection(run_service: Callable[..., RunningService]) -> None:
    aleph = run_service("aleph", DRAIN_SECONDS="0")
    connection = http.client.HTTPConnection("127.0.0.1", aleph.port, timeout=5)
    connection.request("GET", "/version")
    assert connection.getresponse().headers["Connection"] == "close"
    connection.close()
