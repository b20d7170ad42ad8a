"""A registry on this machine that gives a small kit, and does what else it is told to."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import kit_pull
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit import KitError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_registry import Reference, Registry

DATA = [random.Random(size).randbytes(size) for size in (3000, 2000)]
SIGNATURE = b"signed"
NAME = "workshop/bundle"
PATIENCE = 4


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


LAYERS = [
    *({"mediaType": kit_pull.PIECE_TYPE, "digest": digest(data), "size": len(data)} for data in DATA),
    {"mediaType": kit_pull.SIGNATURE_TYPE, "digest": digest(SIGNATURE), "size": len(SIGNATURE)},
]
MANIFEST = json.dumps({"layers": LAYERS}).encode()
KIT = digest(MANIFEST)

Answer = Callable[[Any], None]


class Served(http.server.BaseHTTPRequestHandler):
    """Answers what `odd` has for a path once each, and else what a good registry does."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server: Any = self.server
        server.asked.append((self.path, dict(self.headers)))
        odd = server.odd.get(self.path.partition("?")[0], [])
        (odd.pop(0) if odd else plainly)(self)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def give(self, data: bytes, code: int = 200, **headers: str) -> None:
        self.send_response(code)
        for name, value in {"Content_Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)


def content(path: str) -> bytes:
    known = {digest(data): data for data in (*DATA, SIGNATURE, MANIFEST)}
    return known.get(path.rpartition("/")[2], b"")


def plainly(asked: Served) -> None:
    data = content(asked.path)
    if first := asked.headers.get("Range"):
        begin = int(first.removeprefix("bytes=").rstrip("-"))
        asked.give(data[begin:], 206, Content_Range=f"bytes {begin}-{len(data) - 1}/{len(data)}")
    else:
        asked.give(data) if data else asked.give(b"", 404)


def cut(size: int) -> Answer:
    def answer(asked: Served) -> None:
        asked.give(content(asked.path)[:size], Content_Length=str(len(content(asked.path))))
        asked.close_connection = True

    return answer


def code(number: int, data: bytes = b"", **headers: str) -> Answer:
    return lambda asked: asked.give(data, number, **headers)


def token(data: Any, number: int = 200) -> Answer:
    return code(number, json.dumps(data).encode())


class Bench:
    """Pulls from the server."""

    def __init__(self, served: Any, authority: Path, directory: Path) -> None:
        self.served, self._authority, self._directory = served, authority, directory
        self.host = f"127.0.0.1:{served.server_port}"
        self.paused: list[float] = []
        self.said: list[str] = []
        self.login = ""

    def odd(self, what: str, *answers: Answer) -> None:
        self.served.odd[f"/v2/{NAME}/{what}"] = list(answers)

    def puller(self) -> kit_pull.Puller:
        registry = Registry(Reference(self.host, NAME, KIT), self.login, str(self._authority / "crt"))
        return kit_pull.Puller(self._directory / "kits/pulled", registry, self.said.append, self.paused.append)

    def pull(self) -> bytes:
        puller = self.puller()
        puller.pull()
        assert puller.place.with_name(puller.place.name + ".minisig").read_bytes() == SIGNATURE
        return puller.place.read_bytes()

    def refused(self) -> str:
        with pytest.raises(KitError) as error:
            self.pull()
        assert not self.puller().place.exists()
        assert "\n" not in str(error.value)
        return str(error.value)

    def logs_in(self, **logins: str) -> None:
        auths = {place.replace("HOST", self.host): {"auth": encoded(user)} for place, user in logins.items()}
        self.login = str(self._directory / "login.json")
        Path(self.login).write_text(json.dumps({"auths": auths}))


def encoded(user: str) -> str:
    return base64.b64encode(f"{user}:secret".encode()).decode()
