"""dockercoins: random bytes, hashes, the worker's loop, and the counters that webui shows."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from redis import Redis

import hasher
import rng
import webui
from coin_store import CoinStore
from webui.speed import Speedometer
from worker.miner import Miner
from worker.settings import WorkerSettings
from workshop_service import ConfigurationError

IDENTITY = {"VERSION": "0.3", "POD_NAME": "pod-1"}
FAST = IDENTITY | {"WORK_SECONDS": "0"}


def test_rng_answers_as_many_bytes_as_asked_for() -> None:
    client = rng.create_app(FAST).test_client()
    for count in (0, 1, 32, 1000):
        answer = client.get(f"/{count}")
        assert (answer.status_code, len(answer.data)) == (200, count)
        assert answer.mimetype == "application/octet-stream"
    assert client.get("/32").data != client.get("/32").data


@pytest.mark.parametrize(("path", "status"), [("/1048577", 400), ("/-1", 404), ("/many", 404), ("/%D9%A5", 404)])
def test_rng_refuses_what_is_no_count(path: str, status: int) -> None:
    answer = rng.create_app(FAST).test_client().get(path)
    assert answer.status_code == status
    assert answer.get_json()["error"]


def ask_at_once(client_of: Callable[[], Any], times: int) -> float:
    """Seconds that so many requests take together."""
    threads = [threading.Thread(target=client_of) for _ in range(times)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - started


def test_rng_serves_one_request_at_a_time_and_hasher_many() -> None:
    slow = IDENTITY | {"WORK_SECONDS": "0.2"}
    app, other = rng.create_app(slow), hasher.create_app(slow)
    one_by_one = ask_at_once(lambda: app.test_client().get("/32"), 5)
    assert one_by_one >= 1.0
    assert ask_at_once(lambda: other.test_client().post("/", data=b"x"), 5) < 0.6 * one_by_one


def test_hasher_answers_the_sha256_of_what_it_is_sent() -> None:
    client = hasher.create_app(FAST).test_client()
    for body in (b"", b"\x00\xff binary", b"a" * 16000):
        assert client.post("/", data=body).text.strip() == hashlib.sha256(body).hexdigest()
    assert client.post("/", data=b"a" * 20000).status_code == 413


@pytest.mark.parametrize("factory", [rng.create_app, hasher.create_app])
def test_each_says_who_it_is(factory: Any) -> None:
    assert "running on pod-1" in factory(FAST).test_client().get("/").text


@pytest.mark.parametrize("seconds", ["slow", "-1", "11"])
def test_bad_work_seconds_are_one_sentence(seconds: str) -> None:
    with pytest.raises(ConfigurationError, match=r"WORK_SECONDS is .* from 0 to 10"):
        rng.create_app(IDENTITY | {"WORK_SECONDS": seconds})


@pytest.fixture
def start_worker(run_service: Callable[..., Any], redis_server: Any) -> Iterator[Callable[..., Any]]:
    """Start a worker with real services around it; gives redis and the server that it runs on."""
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def start(**more: str) -> Redis:
        services = {name: run_service(name, WORK_SECONDS="0.01").port for name in ("rng", "hasher")}
        addresses = {f"{name.upper()}_URL": f"http://127.0.0.1:{port}" for name, port in services.items()}
        fast = {"WORK_SECONDS": "0.01", "RETRY_SECONDS": "0.5", "REDIS_HOST": "127.0.0.1"}
        environ = fast | addresses | {"REDIS_PORT": str(redis_server.port)} | more
        settings, store = WorkerSettings.from_environ(environ), CoinStore.from_environ(environ, 1)
        miner = Miner(settings, store, stop, CollectorRegistry())
        threads.append(threading.Thread(target=miner.run))
        threads[-1].start()
        return Redis("127.0.0.1", redis_server.port)

    yield start
    stop.set()
    for thread in threads:
        thread.join(10)


def wait_until(condition: Callable[[], Any], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_worker_counts_hashes_and_keeps_coins(start_worker: Callable[..., Redis]) -> None:
    redis: Any = start_worker()
    wait_until(lambda: int(redis.get("hashes") or 0) > 20 and redis.hlen("wallet"))
    for digest, data in redis.hgetall("wallet").items():
        assert digest.startswith(b"0")
        assert hashlib.sha256(data).hexdigest().encode() == digest
        assert len(data) == 32


def test_the_worker_waits_after_an_error_and_goes_on(
    start_worker: Callable[..., Redis], redis_server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    redis: Any = start_worker()
    wait_until(lambda: int(redis.get("hashes") or 0) > 0)
    redis_server.stop()
    wait_until(lambda: any("waiting 0.5 s" in line for line in caplog.messages))
    redis_server.start()
    wait_until(lambda: int(redis.get("hashes") or 0) > 0)


def test_the_worker_names_the_service_that_is_away(
    start_worker: Callable[..., Redis], caplog: pytest.LogCaptureFixture
) -> None:
    start_worker(RNG_URL="http://127.0.0.1:1")
    wait_until(lambda: any("waiting 0.5 s" in line and "port=1" in line for line in caplog.messages))


def test_webui_answers_what_redis_holds(redis_server: Any) -> None:
    environ = IDENTITY | {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(redis_server.port)}
    client = webui.create_app(environ).test_client()
    assert {key: value for key, value in client.get("/json").get_json().items() if key not in ("now", "speed")} == {
        "coins": 0,
        "hashes": 0,
    }
    redis = Redis("127.0.0.1", redis_server.port)
    redis.incrby("hashes", 42)
    redis.hset("wallet", "0abc", b"\x00")
    wait_until(lambda: client.get("/json").get_json()["hashes"] == 42)
    answer = json.loads(client.get("/json").text)
    assert answer["coins"] == 1
    assert abs(answer["now"] - time.time()) < 60


def test_webui_says_that_redis_is_away(tmp_path: Path) -> None:
    client = webui.create_app(IDENTITY | {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": "1"}).test_client()
    answer = client.get("/json")
    assert answer.status_code == 503
    assert "redis at 127.0.0.1:1 does not answer" in answer.get_json()["error"]


def test_webuis_page_is_self_contained() -> None:
    client = webui.create_app(IDENTITY).test_client()
    page = client.get("/").text
    assert "//" not in page
    for path in ("/page/page.css", "/static/webui.css", "/static/webui.js"):
        assert path in page
        assert client.get(path).status_code == 200


@pytest.mark.parametrize(("period", "step"), [(1.27, 4), (1.0, 3), (1.4, 5)])
def test_the_speed_shows_no_steps_of_the_counter(period: float, step: int) -> None:
    """A worker counts each 1.0 to 1.4 s; the difference of two readings would be off by up to a quarter."""
    speedometer = Speedometer()
    speeds = [speedometer.add(0.26 * reading, int(0.26 * reading // period) * step) for reading in range(2000)]
    shown = [speed for speed in speeds if speed is not None]
    assert len(shown) > 1900
    assert all(speed == pytest.approx(step / period, rel=0.1) for speed in shown)


def test_the_speed_begins_anew_with_another_redis_and_after_a_gap() -> None:
    speedometer = Speedometer()
    for reading in range(40):
        last = speedometer.add(reading / 4, 100 + reading)
    assert last == pytest.approx(4)
    assert speedometer.add(10, 3) is None, "counted from 0 again"
    for reading in range(1, 40):
        last = speedometer.add(10 + reading / 4, 3)
    assert last == 0
    assert speedometer.add(30, 3) is None, "nobody looked meanwhile"
