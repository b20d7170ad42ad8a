"""What a registry holds, asked over real HTTP from a small server."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from ansible_collections.istio_games.workshop.plugins.module_utils.registry.api import (
    Damage,
    Registry,
    RegistryError,
    UnansweredError,
)


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def encoded(answer: Any) -> bytes:
    return answer if isinstance(answer, bytes) else json.dumps(answer).encode()


CONFIG, LAYER = b'{"config": {}}', b"a layer" * 1000
MANIFEST = {
    "config": {"digest": digest_of(CONFIG), "size": len(CONFIG)},
    "layers": [
        {"digest": digest_of(LAYER), "size": len(LAYER)},
        {"digest": "sha256:elsewhere", "size": 1, "urls": ["https://elsewhere.example"]},
    ],
}
# Of the layer's length, and of a digest that sorts before and after its own.
BEFORE, AFTER = (
    next(
        content
        for content in (LAYER[:-1] + bytes([last]) for last in range(256))
        if content != LAYER and (digest_of(content) < digest_of(LAYER)) is before
    )
    for before in (True, False)
)
INDEX = {"manifests": [{"digest": digest_of(json.dumps(MANIFEST).encode())}]}
ANSWERS: dict[str, Any] = {
    "/v2/_catalog": {"repositories": ["python", "busybox"]},
    "/v2/aleph/tags/list": {"tags": ["0.3", "0.1"]},
    "/v2/gone/tags/list": {"tags": None},
    "/v2/aleph/manifests/0.1": MANIFEST,
    "/v2/aleph/manifests/many": INDEX,
    f"/v2/aleph/manifests/{digest_of(json.dumps(MANIFEST).encode())}": MANIFEST,
    f"/v2/aleph/blobs/{digest_of(CONFIG)}": CONFIG,
    f"/v2/aleph/blobs/{digest_of(LAYER)}": LAYER,
}


class Handler(BaseHTTPRequestHandler):
    answers: ClassVar[dict[str, Any]] = ANSWERS
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        answer = self.answers.get(path)
        status = 500 if "broken" in path or answer == 500 else 200 if answer is not None or "page" in path else 404
        body = b"<html>" if "page" in path else encoded(answer)
        type(self).asked.append(f"{self.command} {path}")
        self.send_response(status)
        self.send_header("Docker-Content-Digest", digest_of(encoded(ANSWERS.get(path))))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextlib.contextmanager
def answering(handler: type[BaseHTTPRequestHandler]) -> Iterator[Registry]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Registry(f"http://127.0.0.1:{server.server_port}/")
    server.shutdown()


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with answering(Handler) as found:
        yield found


def test_catalog_and_tags_are_sorted(registry: Registry) -> None:
    assert registry.catalog() == ["busybox", "python"]
    assert registry.tags("aleph") == ["0.1", "0.3"]
    assert registry.tags("gone") == registry.tags("never") == []


def test_digests(registry: Registry) -> None:
    digest = digest_of(json.dumps(MANIFEST).encode())
    assert registry.digest("aleph", "0.1") == registry.digest("aleph", digest) == digest
    assert registry.digest("aleph", "9") is None


class TestDamage:
    """Every part of an image can be damaged; each is found, and said."""

    @pytest.fixture(autouse=True)
    def own_answers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Handler, "answers", dict(ANSWERS))
        monkeypatch.setattr(Handler, "asked", [])

    @pytest.mark.parametrize("tag", ["0.1", "many"])
    def test_there_is_none(self, registry: Registry, tag: str) -> None:
        assert Registry(registry.url).damage("aleph", tag) is None

    @pytest.mark.parametrize(
        ("path", "answer", "sentence", "broken"),
        [
            ("manifests/0.1", None, "there is no such tag", False),
            ("manifests/0.1", 500, "its manifest cannot be read", True),
            ("manifests/0.1", b"", "its manifest sha256:.* is broken", True),
            ("manifests/0.1", {**MANIFEST, "more": 1}, "its manifest sha256:.* is broken", True),
            (f"blobs/{digest_of(CONFIG)}", None, f"its blob {digest_of(CONFIG)} is missing", False),
            (f"blobs/{digest_of(CONFIG)}", b"{}", "has 2 of 14 bytes", True),
            (f"blobs/{digest_of(LAYER)}", None, f"its blob {digest_of(LAYER)} is missing", False),
            (f"blobs/{digest_of(LAYER)}", b"", "has 0 of 7000 bytes", True),
            (f"blobs/{digest_of(LAYER)}", LAYER[:3000], "has 3000 of 7000 bytes", True),
            (f"blobs/{digest_of(LAYER)}", BEFORE, f"its blob {digest_of(LAYER)} is broken", True),
            (f"blobs/{digest_of(LAYER)}", AFTER, f"its blob {digest_of(LAYER)} is broken", True),
        ],
    )
    def test_is_found(self, registry: Registry, path: str, answer: Any, sentence: str, broken: bool) -> None:
        Handler.answers[f"/v2/aleph/{path}"] = answer
        found = Registry(registry.url).damage("aleph", "0.1")
        assert found
        assert re.search(sentence, found.sentence)
        assert found.broken == broken

    def test_of_one_platform_is_found(self, registry: Registry) -> None:
        digest = digest_of(json.dumps(MANIFEST).encode())
        del Handler.answers[f"/v2/aleph/manifests/{digest}"]
        assert Registry(registry.url).damage("aleph", "many") == Damage(f"its manifest {digest} is missing")

    def test_is_another_image_under_the_tag(self, registry: Registry) -> None:
        digest = digest_of(json.dumps(MANIFEST).encode())
        assert Registry(registry.url).damage("aleph", "0.1", digest) is None
        found = Registry(registry.url).damage("aleph", "0.1", "sha256:pushed")
        assert found == Damage(f"its tag names {digest}, and sha256:pushed was pushed")

    def test_of_what_was_read_already_is_not_looked_for_again(self, registry: Registry) -> None:
        fresh = Registry(registry.url)
        for _ in range(2):
            assert fresh.damage("aleph", "0.1") is None
        assert Handler.asked.count(f"GET /v2/aleph/blobs/{digest_of(LAYER)}") == 1
        assert Handler.asked.count(f"HEAD /v2/aleph/blobs/{digest_of(LAYER)}") == 2


PART = {"digest": "sha256:" + "0" * 64, "size": 1}


@pytest.mark.parametrize(
    "manifest",
    [
        {"layers": [{"size": 1}]},
        {"layers": [{"digest": PART["digest"]}]},
        {"layers": [{**PART, "size": "much"}]},
        {"layers": [{**PART, "size": None}]},
        {"layers": [{**PART, "digest": "../../../_catalog"}]},
        {"layers": [{**PART, "digest": 5}]},
        {"layers": ["sha256:0"]},
        {"layers": 5},
        {"config": "sha256:0"},
        {"config": [PART]},
        {"manifests": [{}]},
        {"manifests": [None]},
        {"manifests": {"digest": PART["digest"]}},
        {"manifests": [{"digest": "x y"}]},
    ],
)
def test_a_manifest_of_another_shape_is_said(
    registry: Registry, manifest: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ANSWERS, "/v2/aleph/manifests/odd", manifest)
    found = Registry(registry.url).damage("aleph", "odd")
    assert found == Damage(f"its manifest {digest_of(encoded(manifest))} is none of an image")


def test_a_manifest_that_is_nested_for_ever_is_said(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ANSWERS, "/v2/aleph/manifests/odd", b"[" * 100_000)
    with pytest.raises(RegistryError, match="is no registry: it sent"):
        Registry(registry.url).damage("aleph", "odd")


class Lying(BaseHTTPRequestHandler):
    """Promises some bytes, and sends others (None: no end of them)."""

    promised: ClassVar[int | None] = None
    sent: ClassVar[int | None] = None

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Docker-Content-Digest", digest_of(b""))
        if self.promised is not None:
            self.send_header("Content-Length", str(self.promised))
        self.end_headers()
        with contextlib.suppress(OSError):
            while self.sent is None:
                self.wfile.write(bytes(1 << 16))
            self.wfile.write(bytes(self.sent))

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def liar() -> Iterator[Registry]:
    with answering(Lying) as found:
        yield found


def test_an_answer_without_end_is_not_waited_for(liar: Registry) -> None:
    found = liar.damage("aleph", "0.1")
    assert found == Damage(f"its manifest {digest_of(b'')} is broken", broken=True)
    with pytest.raises(RegistryError, match="is no registry: it sent"):
        liar.catalog()


def test_an_answer_that_is_cut_is_no_damage(liar: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is called broken is removed from the registry's storage: a connection that broke off is asked again."""
    monkeypatch.setattr(Lying, "promised", 2000)
    monkeypatch.setattr(Lying, "sent", 1000)
    with pytest.raises(UnansweredError, match="cannot be reached"):
        liar.damage("aleph", "0.1")


def test_an_error_of_the_registry_is_said(registry: Registry) -> None:
    with pytest.raises(RegistryError, match="answers 500 to GET /v2/broken/tags/list"):
        registry.tags("broken")


def test_waiting_ends(registry: Registry) -> None:
    registry.wait(0)
    with pytest.raises(RegistryError, match=r"cannot be reached \(.*; asked for 0\.1 s\)\."):
        Registry("http://127.0.0.1:9").wait(0.1)


@pytest.mark.parametrize(("patience", "times"), [({}, 0), ({"patience": 2}, 4)])
def test_a_registry_that_stays_silent_is_asked_for_so_long(
    patience: dict[str, float], times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with pytest.raises(UnansweredError):
        Registry("http://127.0.0.1:9", sleep=sleep, **patience).catalog()
    assert now[0] == 1000 + times * 0.5


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
