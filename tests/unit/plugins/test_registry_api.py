"""What a registry holds, asked over real HTTP from a small server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.module_utils.registry.api import (
    MissingImageError,
    Registry,
    RegistryError,
    digests,
)

MANIFEST = {"config": {"digest": "sha256:c"}}
ANSWERS: dict[str, Any] = {
    "/v2/": {},
    "/v2/_catalog": {"repositories": ["python", "busybox"]},
    "/v2/aleph/tags/list": {"tags": ["0.3", "0.1"]},
    "/v2/gone/tags/list": {"tags": None},
    "/v2/aleph/manifests/0.1": MANIFEST,
    "/v2/aleph/blobs/sha256:c": {"config": {"Labels": {"a": "b"}}},
    "/v2/plain/manifests/1": {"config": {"digest": "sha256:d"}},
    "/v2/plain/blobs/sha256:d": {"config": {}},
    "/v2/many/manifests/1": {"manifests": []},
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        status = 500 if "broken" in path else 200 if path in ANSWERS or "page" in path else 404
        body = b"<html>" if "page" in path else json.dumps(ANSWERS.get(path, {})).encode()
        self.send_response(status)
        self.send_header("Docker-Content-Digest", f"sha256:{len(path)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Registry(f"http://127.0.0.1:{server.server_port}/")
    server.shutdown()


def test_catalog_and_tags_are_sorted(registry: Registry) -> None:
    assert registry.catalog() == ["busybox", "python"]
    assert registry.tags("aleph") == ["0.1", "0.3"]
    assert registry.tags("gone") == registry.tags("never") == []


def test_labels_of_an_image(registry: Registry) -> None:
    assert registry.labels("aleph", "0.1") == {"a": "b"}
    assert registry.labels("aleph", "9") is None
    assert registry.labels("plain", "1") == {}
    assert registry.labels("many", "1") == {}


def test_digests_by_image(registry: Registry) -> None:
    assert digests(registry, ["aleph:0.1"]) == {"aleph:0.1": f"sha256:{len('/v2/aleph/manifests/0.1')}"}


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("aleph:0.9", "it has aleph with the tags 0.1, 0.3. Build it"),
        ("never:1", "it has no never at all. Build it"),
    ],
)
def test_a_missing_tag_is_answered_with_those_that_exist(registry: Registry, reference: str, sentence: str) -> None:
    with pytest.raises(MissingImageError) as missing:
        digests(registry, [reference])
    assert str(missing.value).startswith(f"{reference} is not in the registry at {registry.url}: ")
    assert sentence in str(missing.value)


def test_an_error_of_the_registry_is_said(registry: Registry) -> None:
    with pytest.raises(RegistryError, match="answers 500 to GET /v2/broken/tags/list"):
        registry.tags("broken")


def test_waiting_ends(registry: Registry) -> None:
    registry.wait(0)
    with pytest.raises(RegistryError, match=r"cannot be reached \(.*; asked for 0\.1 s\)\."):
        Registry("http://127.0.0.1:9").wait(0.1)


def test_a_registry_that_restarts_is_asked_again() -> None:
    refused: list[float] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        url = f"http://127.0.0.1:{server.server_port}"

    def restart(seconds: float) -> None:
        refused.append(seconds)
        again = ThreadingHTTPServer(("127.0.0.1", int(url.rpartition(":")[2])), Handler)
        threading.Thread(target=again.serve_forever, daemon=True).start()

    assert Registry(url, patience=30, sleep=restart).tags("aleph") == ["0.1", "0.3"]
    assert refused == [0.5]


def test_what_a_registry_answers_is_not_asked_again(registry: Registry) -> None:
    slept: list[float] = []
    with pytest.raises(RegistryError, match="answers 500"):
        Registry(registry.url, patience=30, sleep=slept.append).tags("broken")
    assert slept == []


def test_another_programs_page_is_said(registry: Registry) -> None:
    with pytest.raises(RegistryError, match=r"What answers at http://.* is no registry: it sent b'<html>'\."):
        registry.tags("page")
