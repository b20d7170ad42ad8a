"""The deliberate faults: beth 0.1 is slow, aleph 0.2 breaks under traffic, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

# As README.md and services/README.md say.
GOOD_REQUESTS = 20


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Note down the faults' and /ping's sleeps instead of sleeping."""
    seconds: list[float] = []
    monkeypatch.setattr("workshop_service.faults.sleep", seconds.append)
    monkeypatch.setattr("device_backend.warmup.sleep", seconds.append)
    return seconds


def test_slow_version_delays_version_alone(make_backend: Callable[..., Flask], slept: list[float]) -> None:
    client = make_backend("beth", VERSION="0.1", FAULTS="slow-version").test_client()
    for path in ("/healthz", "/readyz", "/name", "/metrics"):
        assert client.get(path).status_code == 200
    assert slept == []
    assert client.get("/version").status_code == 200
    assert slept == [2.0]


def test_a_good_service_never_sleeps_nor_fails(make_backend: Callable[..., Flask], slept: list[float]) -> None:
    client = make_backend().test_client()
    assert {client.get("/version").status_code for _ in range(3 * GOOD_REQUESTS)} == {200}
    assert client.get("/healthz").status_code == 200
    assert slept == []


def test_traffic_breaks_the_service_and_its_health(make_backend: Callable[..., Flask]) -> None:
    client = make_backend(VERSION="0.2", FAULTS="fails-under-traffic").test_client()
    statuses = [client.get("/version").status_code for _ in range(GOOD_REQUESTS + 5)]
    assert statuses == [200] * GOOD_REQUESTS + [500] * 5
    answer = client.get("/healthz")
    assert answer.status_code == 500
    assert answer.json is not None
    assert "fails-under-traffic" in answer.json["error"]
    assert client.get("/readyz").status_code == 200
    assert 'status="500"' in client.get("/metrics").text


def test_probes_alone_never_break_it(make_backend: Callable[..., Flask]) -> None:
    client = make_backend(VERSION="0.2", FAULTS="fails-under-traffic").test_client()
    for path in ("/healthz", "/readyz", "/metrics") * GOOD_REQUESTS:
        assert client.get(path).status_code == 200
    assert client.get("/version").status_code == 200


def test_ping_warms_up(make_backend: Callable[..., Flask], slept: list[float]) -> None:
    client = make_backend().test_client()
    answers = [client.get("/ping").json for _ in range(7)]
    assert slept == [5, 4, 3, 2, 1, 0, 0]
    assert answers[0] == {"ping": "pong", "seconds": 5}


def test_name(make_backend: Callable[..., Flask]) -> None:
    client = make_backend("beth", SERVICE_TITLE="Beth the second").test_client()
    assert client.get("/name").json == {"name": "beth", "title": "Beth the second"}
