"""Applications of every service, over a real database where one is needed."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import recipes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.builder import Builder

ROOT = Path(__file__).resolve().parents[3]
# As in the images, where all of these lie in one directory.
SOURCES = [
    ROOT / "services" / path
    for path in (
        "common",
        *(f"alephbeth/{name}" for name in ("aleph", "beth", "front", "load")),
        *(f"dockercoins/{name}" for name in ("rng", "hasher", "worker", "webui")),
    )
]
sys.path[:0] = [str(path) for path in SOURCES]

Environ = dict[str, str]
# A port of this machine that nothing listens on: connections are refused at once.
NOWHERE = "127.0.0.1:1"


def wait_for_port(port: int, process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    """Wait until a process accepts connections."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the process ended with {process.returncode}"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"nothing listens on port {port} after {seconds} s")


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Give ports of this machine that are free now."""

    def find() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            return port

    return find


@pytest.fixture
def make_backend() -> Callable[..., Flask]:
    """Make a backend; without a DATABASE_URL its database is down."""
    from device_backend import create_backend

    def make(service: str = "aleph", **environ: str) -> Flask:
        defaults = {"VERSION": "0.3", "POD_NAME": f"{service}-pod", "DATABASE_URL": f"mongodb://{NOWHERE}/"}
        return create_backend(service, defaults | environ)

    return make


@pytest.fixture
def backend(make_backend: Callable[..., Flask]) -> FlaskClient:
    """Ask aleph 0.3, whose database is down."""
    return make_backend().test_client()


def _bundle_file(part: str, file: str) -> Path | None:
    """Give a file of a part of the bundle; None without it, but CI builds what it lacks."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "istio-workshop"
    built = sorted(cache.glob(f"parts/{part.replace(' ', '-')}-*/{file}"), key=lambda path: path.stat().st_mtime)
    if not built and os.environ.get("CI"):
        return Builder(recipes.load(ROOT / "supply"), cache, say=print).ensure_part(part) / file
    return built[-1] if built else None


def _ferretdb_binary() -> Path | None:
    named = os.environ.get("WORKSHOP_FERRETDB")
    return Path(named) if named else _bundle_file("go ferretdb", "ferretdb")


class Stoppable:
    """A server that a test may stop as hard as a node's failure does, or have hang."""

    process: subprocess.Popen[bytes] | None

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait(5)

    def hang(self) -> None:
        """Stop answering without closing anything; what is sent meanwhile waits."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)
        # Its threads stop one after the other, each when it runs next.
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)

    def go_on(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGCONT)


@dataclass
class RedisServer(Stoppable):
    """A redis server that a test may stop and start again; it keeps nothing."""

    root: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        libraries = os.pathsep.join(str(path) for path in self.root.glob("usr/lib/*-linux-gnu"))
        command = [
            str(self.root / "usr/bin/redis-server"),
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
        ]
        environ = {"LD_LIBRARY_PATH": libraries}
        self.process = subprocess.Popen(command, cwd=self.root, env=environ, stdout=subprocess.DEVNULL)
        wait_for_port(self.port, self.process)


@pytest.fixture(scope="session")
def redis_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the redis image's files."""
    layer = _bundle_file("debian redis", "layer.tar")
    if layer is None:
        pytest.skip("no redis: build the bundle (make up)")
    root = tmp_path_factory.mktemp("redis")
    with tarfile.open(layer) as archive:
        # No devices: those take root.
        wanted = [member for member in archive if re.match(r"(\./)?(usr/bin/redis|usr/lib/|lib)", member.name)]
        archive.extractall(root, members=wanted)
    return root


@pytest.fixture
def redis_server(redis_root: Path, free_port: Callable[[], int]) -> Iterator[RedisServer]:
    """Run the redis that the workshop runs."""
    server = RedisServer(redis_root, free_port())
    server.start()
    yield server
    server.stop()


@dataclass
class Database(Stoppable):
    """A FerretDB process that a test may stop and start again over the same data."""

    binary: Path
    port: int
    data: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/"

    def start(self) -> None:
        self.data.mkdir(exist_ok=True)
        command = [str(self.binary), "-listen", f"127.0.0.1:{self.port}", "-data", str(self.data)]
        with (self.data.parent / "ferretdb.log").open("ab") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output)
        wait_for_port(self.port, self.process)


@pytest.fixture
def ferretdb(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Database]:
    """Run the database that the workshop runs."""
    binary = _ferretdb_binary()
    if binary is None or not binary.is_file():
        pytest.skip("no FerretDB: build the bundle (make up), or name the program by WORKSHOP_FERRETDB=/path/ferretdb")
    database = Database(binary, free_port(), tmp_path / "data")
    database.start()
    yield database
    database.stop()


@dataclass
class RunningService:
    """A service as in its container."""

    process: subprocess.Popen[bytes]
    port: int
    probe_port: int
    log: Path

    def get(self, path: str, headers: Environ | None = None, timeout: float = 10) -> tuple[int, bytes]:
        return self._get(self.port, path, headers or {}, timeout)

    def probe(self, path: str) -> tuple[int, bytes]:
        """Ask on the probes' own port."""
        return self._get(self.probe_port, path, {}, 10)

    def _get(self, port: int, path: str, headers: Environ, timeout: float) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


@pytest.fixture
def run_service(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Callable[..., RunningService]]:
    """Start services as their images do, and stop what a test leaves running."""
    running: list[RunningService] = []

    def run(service: str, **environ: str) -> RunningService:
        port, probe_port, log = free_port(), free_port(), tmp_path / f"{service}-{len(running)}.log"
        path = os.pathsep.join(map(str, SOURCES))
        ports = {"PORT": str(port), "PROBE_PORT": str(probe_port)}
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": path, "VERSION": "0.3"} | ports | environ
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", service],
                stdout=output,
                stderr=output,
                env=env,
                cwd=tmp_path,
            )
        running.append(RunningService(process, port, probe_port, log))
        wait_for_port(port, process)
        return running[-1]

    yield run
    for service in running:
        service.process.send_signal(signal.SIGQUIT)  # at once
        service.process.wait(10)
