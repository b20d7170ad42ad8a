"""A cluster that cannot be used is explained in one sentence."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError


class Handler(BaseHTTPRequestHandler):
    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status = (
            401 if "secret" in self.path else 404 if "missing" in self.path else 409 if "taken" in self.path else 200
        )
        text = (
            "a log\n"
            if self.path.endswith("/log")
            else json.dumps({"message": "said", "items": [{}], "path": self.path})
        )
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


for method in ("GET", "POST", "DELETE", "PATCH"):
    setattr(Handler, f"do_{method}", Handler.answer)


def kubeconfig(directory: Path, server: str) -> str:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    path = directory / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return str(path)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Api]:
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield Api.connect(kubeconfig(tmp_path, f"http://127.0.0.1:{listening.server_port}"))
    listening.shutdown()


def test_objects_lists_and_texts_are_read(server: Api) -> None:
    assert server.get("/api/v1/x", labelSelector="a=b")["path"] == "/api/v1/x?labelSelector=a%3Db"
    assert server.items("/api/v1/x") == [{}]
    assert server.find("/api/v1/missing") is None
    assert server.text("/api/v1/log") == "a log\n"


def test_objects_are_written(server: Api) -> None:
    assert server.create("/api/v1/x", {"a": 1})["message"] == "said"
    assert server.merge("/api/v1/x", {"a": 1})["message"] == "said"
    server.delete("/api/v1/missing", grace_seconds=0)


def test_a_refusal_carries_status_and_reason(server: Api) -> None:
    with pytest.raises(KubernetesError, match=r"refused POST /api/v1/taken \(409\): said") as refused:
        server.create("/api/v1/taken", {})
    assert refused.value.status == 409


def test_expired_credentials_are_said(server: Api) -> None:
    with pytest.raises(KubernetesError, match=r"refuses the credentials in .*: they have expired or belong to another"):
        server.get("/api/v1/secret")


def test_an_unreachable_cluster_is_said(tmp_path: Path) -> None:
    with pytest.raises(KubernetesError, match=r"http://127\.0\.0\.1:9 cannot be reached within 5 s"):
        Api.connect(kubeconfig(tmp_path, "http://127.0.0.1:9")).get("/api/v1/x")


def test_a_missing_kubeconfig_is_said(tmp_path: Path) -> None:
    with pytest.raises(KubernetesError, match=r"There is no kubeconfig at .*: make the cluster first"):
        Api.connect(str(tmp_path / "none"))


@pytest.mark.parametrize("text", ["", "a: [", "a: 1", "apiVersion: v1\nkind: Config\ncurrent-context: x\n"])
def test_a_broken_kubeconfig_is_said(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(KubernetesError, match="cannot be used"):
        Api.connect(str(path))
