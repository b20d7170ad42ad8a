"""A place's page is asked for through the door until every backend answers, by whoever knows the door's CA."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import certificates, places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import proof

ANNA = places.of_student("anna", "/state")
GOOD = {"backends": [{"name": "aleph"}, {"name": "beth", "error": ""}]}


class Door(ThreadingHTTPServer):
    """Answers what it is told, a path at a time."""

    answers: list[tuple[int, Any]]

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Door

    def do_GET(self) -> None:
        answers = self.server.answers
        status, body = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status if self.path == "/anna/front/backends" else 404)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    own = certificates.OwnCertificates(tmp_path / "door", "blue")
    own.ensure(["127.0.0.1"], dry_run=False)
    server = Door(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*map(str, own.door))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.answers = [(200, GOOD)]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_page_that_answers_is_named(door: Door, tmp_path: Path) -> None:
    trusted = proof.trusting(str(tmp_path / "door" / "ca.crt"))
    assert proof.page_at_door(ANNA, f"{door.url}/", 5, trusted) == f"{door.url}/anna/front/backends"


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([(503, {})], "it answers 503"),
        ([(200, {"backends": []})], "it names no backend"),
        ([(200, {"backends": [{"name": "beth", "error": "no"}]})], "beth: no"),
        ([(200, "<html>")], "it names no backend"),
        ([(200, {"backends": 7})], "it names no backend"),
        ([(200, {"backends": {"a": 1}})], "it names no backend"),
        ([(200, [])], "it names no backend"),
        ([(200, 7)], "it names no backend"),
        ([(200, {"backends": [{"error": "no"}]})], "it names no backend"),
        ([(200, {"backends": "x" * proof.PAGE_BYTES})], "its answer is more than 1 MiB"),
    ],
)
def test_one_that_does_not_is_named_with_its_cause(
    door: Door, tmp_path: Path, answers: list[tuple[int, Any]], said: str
) -> None:
    door.answers = answers
    with pytest.raises(proof.ProofError, match=said):
        proof.page_at_door(ANNA, door.url, 0, proof.trusting(str(tmp_path / "door" / "ca.crt")))


class Endless:
    """An answer that goes on, a byte at a time."""

    def read1(self, _: int) -> bytes:
        return b"x"


def test_an_answer_without_an_end_is_not_waited_for() -> None:
    answer: Any = Endless()
    times = iter(range(1000))
    with pytest.raises(OSError, match="takes more than 15 s"):
        proof._whole(answer, lambda: next(times))
    assert next(times) < 20


def test_it_is_asked_until_it_answers(door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "PAUSE_SECONDS", 0)
    door.answers = [(503, {}), (200, {"backends": [{"name": "beth", "error": "no"}]}), (200, GOOD)]
    assert proof.page_at_door(ANNA, door.url, 30, proof.trusting(str(tmp_path / "door" / "ca.crt")))


@pytest.mark.parametrize(
    ("path", "said"),
    [("", None), ("/anna/front/backends", "it leads somewhere"), ("/anna/front/backends", "it answers 503")],
)
def test_a_door_leads_nowhere_by_itself(door: Door, tmp_path: Path, path: str, said: str | None) -> None:
    door.answers = [(503 if said and "503" in said else 200, GOOD)]
    trusted = proof.trusting(str(tmp_path / "door" / "ca.crt"))
    with pytest.raises(proof.ProofError, match=f"The door {door.url}{path} .*{said}") if said else nullcontext():
        proof.knock(f"{door.url}{path}", 0, trusted)


def test_another_door_s_certificate_is_not_believed(door: Door, tmp_path: Path) -> None:
    certificates.OwnCertificates(tmp_path / "other", "green").ensure(["127.0.0.1"], dry_run=False)
    with pytest.raises(proof.ProofError, match="CERTIFICATE_VERIFY_FAILED"):
        proof.page_at_door(ANNA, door.url, 0, proof.trusting(str(tmp_path / "other" / "ca.crt")))
    with pytest.raises(proof.ProofError, match="CERTIFICATE_VERIFY_FAILED"):
        proof.knock(door.url, 0, proof.trusting(str(tmp_path / "other" / "ca.crt")))


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_a_ca_that_cannot_be_read_is_named(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "ca.crt").write_text(text)
    with pytest.raises(proof.ProofError, match=r"ca\.crt holds no CA certificates that can be read"):
        proof.trusting(str(tmp_path / "ca.crt"))
