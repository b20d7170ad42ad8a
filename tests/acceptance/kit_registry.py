"""A real registry on this machine, with TLS by a CA of its own and a login, and what breaks off before it."""

from __future__ import annotations

import base64
import dataclasses
import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bcrypt
from tests.acceptance.room import listens, wait_for

USER, PASSWORD = "student", "secret"


@dataclasses.dataclass
class Registry:
    """Debian's docker-registry at 127.0.0.1."""

    directory: Path
    port: int
    login: Path
    ca: Path

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"


@contextmanager
def registry(directory: Path) -> Iterator[Registry]:
    """Run one as long as the context lasts."""
    found = Registry(directory, _free_port(), directory / "login.json", directory / "ca.crt")
    _certificate(directory)
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(5)).decode()
    (directory / "htpasswd").write_text(f"{USER}:{hashed}\n")
    write_login(found.login, found.host)
    config = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(directory / "data")}},
        "http": {
            "addr": found.host,
            "tls": {"certificate": str(directory / "server.crt"), "key": str(directory / "server.key")},
        },
        "auth": {"htpasswd": {"realm": "test", "path": str(directory / "htpasswd")}},
    }
    (directory / "config.yml").write_text(json.dumps(config))
    with (
        (directory / "registry.log").open("w") as log,
        subprocess.Popen(
            ["docker-registry", "serve", directory / "config.yml"], stdout=log, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            wait_for(lambda: listens(found.port), 60)
            yield found
        finally:
            process.terminate()


def write_login(file: Path, *hosts: str, password: str = PASSWORD) -> Path:
    """A file of logins, as `skopeo login --authfile` writes it."""
    login = base64.b64encode(f"{USER}:{password}".encode()).decode()
    file.write_text(json.dumps({"auths": {host: {"auth": login} for host in hosts}}))
    return file


def _certificate(directory: Path) -> None:
    """ca.crt, and server.crt that it has signed."""
    new = ["openssl", "req", "-newkey", "rsa:2048", "-nodes"]
    (directory / "names").write_text("subjectAltName=IP:127.0.0.1")
    for command in (
        [*new, "-x509", "-days", "2", "-subj", "/CN=a CA", "-keyout", "ca.key", "-out", "ca.crt"],
        [*new, "-subj", "/CN=127.0.0.1", "-keyout", "server.key", "-out", "server.csr"],
        [
            *("openssl", "x509", "-req", "-days", "2", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key"),
            *("-CAcreateserial", "-extfile", "names", "-out", "server.crt"),
        ],
    ):
        subprocess.run(command, cwd=directory, check=True, capture_output=True)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class BreakingOff:
    """Hands everything on to a port of this machine, and breaks every connection off after so many bytes.

    Attributes:
        limit: bytes of one connection that go to whoever asks; None: all.
        carried: bytes that went to whoever asked.
    """

    def __init__(self, target: int, limit: int | None) -> None:
        self._target, self.limit, self.carried = target, limit, 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            threading.Thread(target=self._carry, args=(client, server, None), daemon=True).start()
            threading.Thread(target=self._carry, args=(server, client, self.limit), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, limit: int | None) -> None:
        done = 0
        try:
            while (data := source.recv(1 << 14)) and (limit is None or done < limit):
                sink.sendall(data)
                done += len(data)
                if source.getpeername()[1] == self._target:
                    self.carried += len(data)
        except OSError:
            pass
        finally:
            for end in (source, sink):
                end.close()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()
