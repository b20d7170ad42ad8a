"""An API server of a few lines, on a real socket: what it answers is set path by path, what it was asked is kept."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml

# The kinds that it knows, with their plural and whether they live in a namespace.
KINDS = {
    "v1": {"Namespace": ("namespaces", False), "Event": ("events", True), "Pod": ("pods", True)},
    "apps/v1": {"Deployment": ("deployments", True)},
    "networking.istio.io/v1": {"VirtualService": ("virtualservices", True)},
}


@dataclass
class Asked:
    """A request that came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class ApiServer:
    """Answers with what `answers` holds by "METHOD PATH", in turn where it is a list; 404 for what it doesn't."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    def __post_init__(self) -> None:
        groups = []
        for group_version, kinds in KINDS.items():
            group, _, version = group_version.rpartition("/")
            if group:
                known = {"groupVersion": group_version, "version": version}
                groups.append({"name": group, "versions": [known], "preferredVersion": known})
            self.answers[f"GET /{'apis' if group else 'api'}/{group_version}"] = {
                "kind": "APIResourceList",
                "resources": [
                    {"name": plural, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["list"]}
                    for kind, (plural, namespaced) in kinds.items()
                ],
            }
        self.answers |= {
            "GET /version": {"gitVersion": "v1.37.0"},
            "GET /apis": {"kind": "APIGroupList", "groups": groups},
        }

    def answer(self, asked: Asked) -> tuple[int, Any]:
        """Give status and body; a body of bytes is sent as it is."""
        self.asked.append(asked)
        found = self.answers.get(f"{asked.method} {asked.path}", (404, {"message": f"no {asked.path}"}))
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        if callable(found):
            found = found(asked)
        return found if isinstance(found, tuple) else (200, found)

    def of(self, method: str, path: str = "") -> list[Asked]:
        """The requests with a method, and whose path begins in this way."""
        return [each for each in self.asked if each.method == method and each.path.startswith(path)]


def kubeconfig(directory: Path, server: str, cluster: Mapping[str, Any] | None = None, **user: Any) -> str:
    """Write a kubeconfig, and give its path."""
    path = directory / "kubeconfig"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server, **(cluster or {})}}],
        "users": [{"name": "u", "user": user or {"token": "t"}}],
    }
    path.write_text(yaml.safe_dump(config))
    return str(path)


def handler(server: ApiServer) -> type[BaseHTTPRequestHandler]:
    """Make the handler that speaks for a server."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            split = urlsplit(self.path)
            body = json.loads(raw) if raw else None
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, split.path, dict(parse_qsl(split.query)), headers, body)
            try:
                status, content = server.answer(asked)
            except ConnectionError:
                self.close_connection = True
                return
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if data.startswith(b"<") else "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.answer)
    return Handler


@pytest.fixture
def api_server() -> Iterator[ApiServer]:
    server = ApiServer()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(server)) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        server.url = f"http://127.0.0.1:{listening.server_port}"
        yield server
        listening.shutdown()
