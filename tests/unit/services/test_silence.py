"""Who is silent, or answers in drips, holds nobody for ever: database, redis, backends and clients."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
import urllib3
from flask import Flask
from prometheus_client import CollectorRegistry

import front
from coin_store import Batch, CoinStore, StoreError
from deadline_http import deadline_pool
from workshop_service import server as served

if TYPE_CHECKING:
    from tests.unit.services.conftest import Database, RedisServer, RunningService

# Every one of these would wait for ever, or for minutes, without what is tested.
pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def peer() -> Iterator[Callable[[bytes, bytes], int]]:
    """Start servers that say something, and from then on one more thing every 50 ms, for ever; gives their ports."""
    servers: list[socketserver.ThreadingTCPServer] = []
    over = threading.Event()

    def start(first: bytes, drip: bytes) -> int:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                self.request.sendall(first)
                while not over.wait(0.05):
                    try:
                        self.request.sendall(drip)
                    except OSError:
                        return

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return int(server.server_address[1])

    yield start
    over.set()
    for server in servers:
        server.shutdown()
        server.server_close()


HTTP_SILENCES = {
    "silent": (b"", b""),
    "headers in drips": (b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n"),
    "a header in drips": (b"HTTP/1.1 200 OK\r\nX-Endless: ", b"x"),
    "body in drips": (b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n", b"x"),
    "chunks in drips": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
}


@pytest.mark.parametrize("kind", HTTP_SILENCES)
def test_an_exchange_ends_at_its_deadline(peer: Callable[[bytes, bytes], int], kind: str) -> None:
    port = peer(*HTTP_SILENCES[kind])
    with pytest.raises(urllib3.exceptions.HTTPError):
        deadline_pool(0.5, 1).request("GET", f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("kind", HTTP_SILENCES)
def test_front_leaves_no_thread_behind(peer: Callable[[bytes, bytes], int], kind: str) -> None:
    url = f"http://127.0.0.1:{peer(*HTTP_SILENCES[kind])}"
    environ = {"VERSION": "0.3", "ALEPH_URL": url, "BETH_URL": url, "BACKEND_TIMEOUT": "0.5"}
    answer = front.create_app(environ).test_client().get("/backends")
    assert [shown["version"] for shown in answer.get_json()["backends"]] == [None, None]
    while any(thread.name.startswith("ask") for thread in threading.enumerate()):
        time.sleep(0.05)


# By itself, the driver gives up after 30 s.
@pytest.mark.timeout(25)
@pytest.mark.parametrize(("first", "drip"), [(b"", b""), (b"", b"\x00"), (b"\x10\x27\x00\x00", b"\x00")])
def test_a_database_that_does_not_answer_is_503(
    make_backend: Callable[..., Flask], peer: Callable[[bytes, bytes], int], first: bytes, drip: bytes
) -> None:
    client = make_backend(DATABASE_URL=f"mongodb://127.0.0.1:{peer(first, drip)}/").test_client()
    answer = client.get("/devices")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"


def test_a_database_that_hangs_in_the_middle_is_503(
    make_backend: Callable[..., Flask], ferretdb: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("device_backend.store.ANSWER_MS", 1000)
    client = make_backend(DATABASE_URL=ferretdb.url).test_client()
    assert client.get("/devices").status_code == 200
    ferretdb.hang()
    try:
        assert client.get("/devices").status_code == 503
        assert client.get("/devices/lamp").status_code == 503
    finally:
        ferretdb.go_on()
    assert client.get("/devices").status_code == 200


@pytest.mark.parametrize(("first", "drip"), [(b"", b""), (b"$60000\r\n", b"x"), (b"", b"+")])
def test_a_redis_that_does_not_answer_is_an_error(
    peer: Callable[[bytes, bytes], int], first: bytes, drip: bytes
) -> None:
    store = CoinStore("127.0.0.1", peer(first, drip), 0.5)
    with pytest.raises(StoreError):
        store.read()
    with pytest.raises(StoreError):
        store.count(Batch(units=1))


def test_webui_says_within_its_three_seconds_that_redis_is_silent(
    run_service: Callable[..., RunningService], redis_server: RedisServer
) -> None:
    webui = run_service("webui", REDIS_HOST="127.0.0.1", REDIS_PORT=str(redis_server.port))
    assert webui.get("/json")[0] == 200
    redis_server.hang()
    try:
        deadline = time.monotonic() + 10
        while (answer := webui.get("/json", timeout=3))[0] == 200:  # a reading that is still fresh
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert answer[0] == 503
        assert b"redis" in answer[1]
    finally:
        redis_server.go_on()


def wait_for(condition: Callable[[], bool]) -> None:
    while not condition():  # the test's own time-out ends it
        time.sleep(0.05)


def send(port: int, data: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(data)
    return connection


def drip_for_ever(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def test_slow_clients_hold_no_thread(run_service: Callable[..., RunningService]) -> None:
    """More of them than the service has threads, at each point at which one can stop."""
    aleph = run_service("aleph", THREADS="2", DRAIN_SECONDS="0")
    body = b"POST /devices HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{"
    beginnings = [b"", b"GET /name HTTP/1.1\r\nHost: a", body]
    slow = [send(aleph.port, beginning) for beginning in beginnings * 10]
    assert aleph.get("/name")[0] == 200
    for connection in slow:
        connection.close()


def test_a_client_is_given_up_however_often_it_sends_a_byte(
    free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "EXCHANGE_SECONDS", 1)
    server = served.Server(lambda _environ, _start: [], free_port(), 1)
    over = threading.Event()

    def turn() -> None:
        while not over.is_set():
            server.turn()

    threading.Thread(target=turn, daemon=True).start()
    with send(server.effective_port, b"GET / HTTP/1.1\r\nX-Endless: ") as dripping, pytest.raises(ConnectionError):
        drip_for_ever(dripping)
    over.set()


def test_a_batch_is_counted_once_however_often_it_is_sent(redis_server: RedisServer) -> None:
    store = CoinStore("127.0.0.1", redis_server.port, 5)
    batch = Batch(units=7, coins={"0a": b"\x00\xff"})
    assert [store.count(batch) for _ in range(3)] == [7, 7, 7]
    assert store.count(Batch(units=2)) == 9
    assert (store.read().hashes, store.read().coins) == (9, 1)


def test_a_count_whose_answer_is_lost_is_neither_doubled_nor_forgotten(
    run_service: Callable[..., RunningService], redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """redis hangs while the worker counts: it takes what was sent once it goes on, after the worker has given up."""
    from worker.miner import Miner
    from worker.settings import WorkerSettings

    ports = {name: run_service(name, WORK_SECONDS="0").port for name in ("rng", "hasher")}
    environ = {f"{name.upper()}_URL": f"http://127.0.0.1:{port}" for name, port in ports.items()}
    settings = WorkerSettings.from_environ(environ | {"WORK_SECONDS": "0.01", "RETRY_SECONDS": "0.1"})
    stop, registry = threading.Event(), CollectorRegistry()
    store = CoinStore("127.0.0.1", redis_server.port, 2)
    reader = CoinStore("127.0.0.1", redis_server.port, 30)
    thread = threading.Thread(target=Miner(settings, store, stop, registry).run)
    thread.start()
    try:
        wait_for(lambda: reader.read().hashes > 0)
        redis_server.hang()
        wait_for(lambda: sum("waiting 0.1 s" in line for line in caplog.messages) >= 3)
        redis_server.go_on()
        counted = reader.read().hashes
        wait_for(lambda: reader.read().hashes > counted + 5)
    finally:
        redis_server.go_on()
        stop.set()
        thread.join(10)
    assert reader.read().hashes == registry.get_sample_value("worker_units_total")
    assert reader.read().coins == registry.get_sample_value("worker_coins_total")


@pytest.mark.parametrize("ask", [CoinStore.read, lambda store: store.count(Batch(units=1))], ids=["read", "count"])
def test_redis_is_asked_once_and_never_again_unseen(ask: Callable[[CoinStore], object]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connections = []

        def hang_up() -> None:
            with contextlib.suppress(OSError):  # the listener is closed
                while True:
                    connection, _ = listener.accept()
                    connections.append(connection)
                    connection.close()

        threading.Thread(target=hang_up, daemon=True).start()
        store = CoinStore("127.0.0.1", listener.getsockname()[1], 5)
        with pytest.raises(StoreError):
            ask(store)
        assert len(connections) == 1
