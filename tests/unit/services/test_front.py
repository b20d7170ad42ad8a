"""front: pages, the cookie, and what it asks the backends and passes on to them."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import Message

import pytest
from flask import Flask
from flask.testing import FlaskClient

from front import create_app

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@dataclass
class Peer:
    """A server of our own in a backend's place."""

    url: str = ""
    status: int = 200
    body: bytes = b""
    # In seconds; cut short at the test's end.
    delay: float = 0.0
    route: str = ""
    asked: list[Message] = field(default_factory=list)


@pytest.fixture
def make_peer() -> Iterator[Callable[..., Peer]]:
    """Start servers that answer as told and note what they were asked."""
    servers: list[http.server.ThreadingHTTPServer] = []
    over = threading.Event()

    def make(name: str, **settings: object) -> Peer:
        version = {"service": name, "title": name.title(), "version": "0.1", "pod": f"{name}-v01-abc"}
        peer = Peer(body=json.dumps(version).encode())
        for key, value in settings.items():
            setattr(peer, key, value)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                peer.asked.append(self.headers)
                over.wait(peer.delay)
                self.send_response(peer.status if self.path == "/version" else 404)
                if peer.route:
                    self.send_header("x-workshop-route", peer.route)
                self.end_headers()
                self.wfile.write(peer.body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        peer.url = f"http://127.0.0.1:{server.server_address[1]}"
        return peer

    yield make
    over.set()
    for server in servers:
        server.shutdown()
        server.server_close()


def make_front(aleph: str = "http://127.0.0.1:1", beth: str = "http://127.0.0.1:1", timeout: str = "5") -> Flask:
    environ = {"VERSION": "0.3", "POD_NAME": "front-pod", "ALEPH_URL": aleph, "BETH_URL": beth}
    return create_app(environ | {"BACKEND_TIMEOUT": timeout})


@pytest.fixture
def client() -> FlaskClient:
    """Ask front, whose backends are away."""
    return make_front().test_client()


def test_curl_sees_the_versions_that_answered(make_peer: Callable[..., Peer]) -> None:
    client = make_front(make_peer("aleph").url, make_peer("beth").url).test_client()
    answer = client.get("/backends", headers={"Accept": "*/*"})
    assert answer.status_code == 200
    data = json.loads(answer.text)
    for backend in data["backends"]:
        assert backend.pop("milliseconds") < 5000
    assert data == {
        "user": None,
        "backends": [
            {
                "backend": name,
                "title": name.title(),
                "version": "0.1",
                "pod": f"{name}-v01-abc",
                "route": None,
                "error": None,
            }
            for name in ("aleph", "beth")
        ],
    }
    assert answer.text.count("\n") > 10, "readable in a terminal"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (BROWSER["Accept"], "text/html"),
        ("text/html", "text/html"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/json, text/html;q=0.5", "application/json"),
        ("", "application/json"),
    ],
)
def test_pages_for_browsers_json_for_programs(client: FlaskClient, accept: str, kind: str) -> None:
    answer = client.get("/backends", headers={"Accept": accept})
    assert answer.mimetype == kind
    assert "Accept" in answer.headers["Vary"]


def test_a_page_shows_versions_and_errors_in_place(make_peer: Callable[..., Peer]) -> None:
    client = make_front(make_peer("aleph").url).test_client()
    page = client.get("/backends", headers=BROWSER).text
    assert "aleph-v01-abc" in page
    assert "<h2>Beth</h2>" in page
    assert "the connection was refused: is a pod of it ready?" in page


def test_a_page_shows_whose_route_was_taken(make_peer: Callable[..., Peer]) -> None:
    aleph, beth = make_peer("aleph", route="developer"), make_peer("beth", route="everybody")
    client = make_front(aleph.url, beth.url).test_client()
    assert [shown["route"] for shown in client.get("/backends").get_json()["backends"]] == ["developer", "everybody"]
    first, second = client.get("/backends", headers=BROWSER).text.split("<h2>")[1:3]
    assert "by the developer's route" in first
    assert "by the developer's route" not in second


def test_backends_are_asked_at_once(make_peer: Callable[..., Peer]) -> None:
    """One after the other, they would take longer than the time-out."""
    aleph, beth = make_peer("aleph", delay=0.6), make_peer("beth", delay=0.6)
    answer = make_front(aleph.url, beth.url, timeout="1").test_client().get("/backends")
    assert [shown["version"] for shown in answer.get_json()["backends"]] == ["0.1", "0.1"]


def test_a_backend_that_is_late_is_not_waited_for(make_peer: Callable[..., Peer]) -> None:
    aleph, beth = make_peer("aleph"), make_peer("beth", delay=30)
    answer = make_front(aleph.url, beth.url, timeout="0.6").test_client().get("/backends")
    assert answer.json is not None
    first, second = answer.json["backends"]
    assert first["version"] == "0.1"
    assert (second["version"], second["error"]) == (None, "no answer within 0.6 s")


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (500, b'{"error": "fault"}', "answered 500: fault"),
        (503, b"no healthy upstream", "answered 503: no healthy upstream"),
        (502, b"<html>Bad gateway</html>", "answered 502"),
        (302, b"", "answered 302"),
        (200, b"hello", "what answered is not a version of this service"),
        (200, b"[]", "what answered is not a version of this service"),
        (200, b'{"title": "A", "version": 3, "pod": "p"}', "what answered is not a version of this service"),
        (200, b"x" * 100_000, "what answered is not a version of this service"),
    ],
)
def test_a_failing_backend_is_shown_with_its_reason(
    make_peer: Callable[..., Peer], status: int, body: bytes, error: str
) -> None:
    answer = make_front(make_peer("aleph", status=status, body=body).url).test_client().get("/backends")
    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["backends"][0]["error"] == error


def test_what_a_backend_says_is_shown_as_text(make_peer: Callable[..., Peer]) -> None:
    evil = {"title": "<script>alert(1)</script>", "version": "0.1", "pod": "p"}
    client = make_front(make_peer("aleph", body=json.dumps(evil).encode()).url).test_client()
    assert "<script>" not in client.get("/backends", headers=BROWSER).text


def test_an_unknown_host_is_named_as_such() -> None:
    answer = make_front("http://no-such-host.invalid").test_client().get("/backends")
    assert answer.json is not None
    assert answer.json["backends"][0]["error"] == "its name is not known: is its Service there?"


def test_only_the_trace_and_the_user_are_passed_on(make_peer: Callable[..., Peer]) -> None:
    aleph = make_peer("aleph")
    trace = {
        "x-request-id": "r-1",
        "b3": "80f1-e457-1-05e3",
        "x-b3-traceid": "80f1",
        "x-b3-spanid": "e457",
        "x-b3-parentspanid": "05e3",
        "x-b3-sampled": "1",
        "x-b3-flags": "0",
        "traceparent": "00-80f1-e457-01",
        "tracestate": "a=b",
        "baggage": "userId=alice,room=blue",
        "x-ot-span-context": "c",
    }
    others = {
        "Authorization": "Bearer x",
        "X-Forwarded-For": "1.2.3.4",
        "X-Other": "y",
        "Cookie": "a=1; user=developer; b=2",
    }
    make_front(aleph.url).test_client(use_cookies=False).get("/backends", headers=trace | others)
    (asked,) = aleph.asked
    received = {name.lower(): value for name, value in asked.items()}
    for name in ("host", "connection", "accept", "accept-encoding"):
        received.pop(name, None)
    assert received == trace | {"cookie": "user=developer", "user-agent": "workshop-front/0.3"}


@pytest.mark.parametrize(
    ("cookie", "passed_on"),
    [
        ("user=developer", "user=developer"),
        ("a=1; user=developer; b=2", "user=developer"),
        ("a=1;user=developer", "user=developer"),
        ("user=developer2", "user=developer2"),
        ("user=alice; user=developer", "user=alice; user=developer"),
        ("xuser=developer", None),
        ("User=developer", None),
        ('user="developer"', None),
        ("user=dev eloper", None),
        ("user=", None),
        ("user", None),
        ("user=" + "x" * 33, None),
        (None, None),
    ],
)
def test_the_user_cookie_is_passed_on_as_it_came(
    make_peer: Callable[..., Peer], cookie: str | None, passed_on: str | None
) -> None:
    aleph = make_peer("aleph")
    make_front(aleph.url).test_client(use_cookies=False).get("/backends", headers={"Cookie": cookie} if cookie else {})
    (asked,) = aleph.asked
    assert asked["Cookie"] == passed_on


def test_login_and_logout(client: FlaskClient) -> None:
    assert "nobody in particular" in client.get("/").text
    answer = client.post("/login", data={"user": "developer"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/backends")
    assert answer.headers["Set-Cookie"] == "user=developer; Expires=" + _expiry(answer.headers["Set-Cookie"]) + (
        "; Max-Age=43200; HttpOnly; Path=/; SameSite=Lax"
    )
    assert "You are <strong>developer</strong>" in client.get("/").text
    assert client.post("/logout").status_code == 303
    assert "nobody in particular" in client.get("/").text


def _expiry(cookie: str) -> str:
    return cookie.partition("Expires=")[2].partition(";")[0]


@pytest.mark.parametrize("name", ["", "a b", "x;y", 'a"b', "é", "x" * 33, "-x", "a\r\nSet-Cookie: b=c"])
def test_a_bad_name_is_refused(client: FlaskClient, name: str) -> None:
    answer = client.post("/login", data={"user": name}, headers=BROWSER)
    assert answer.status_code == 400
    assert "A name is 1 to 32 letters" in answer.text
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/login", "/logout"])
@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({}, True),  # curl
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}, False),
        # To http://10.0.0.5:30080 browsers send no Sec-Fetch headers.
        ({"Host": "10.0.0.5:30080", "Origin": "http://10.0.0.5:30080"}, True),
        ({"Host": "10.0.0.5:30080", "Origin": "http://10.0.0.5:30090"}, False),
        ({"Host": "10.0.0.5:30080", "Origin": "http://evil.example"}, False),
        ({"Host": "10.0.0.5:30080", "Origin": "null"}, False),
        ({"Host": "10.0.0.5:30080", "Origin": "http://["}, False),
        ({"Host": "10.0.0.5:30080", "Origin": ""}, False),
    ],
)
def test_another_sites_page_cannot_send_the_forms(
    client: FlaskClient, path: str, headers: dict[str, str], own: bool
) -> None:
    answer = client.post(path, data={"user": "developer"}, headers=headers)
    assert answer.status_code == (303 if own else 403)
    assert ("Set-Cookie" in answer.headers) is own


def test_following_a_link_logs_nobody_out(client: FlaskClient) -> None:
    client.post("/login", data={"user": "developer"})
    answer = client.get("/logout", headers=BROWSER)
    assert answer.status_code == 200
    assert '<form class="login" method="post" action="/logout">' in answer.text
    assert "Set-Cookie" not in answer.headers
    assert "You are <strong>developer</strong>" in client.get("/").text


def test_two_rooms_of_a_machine_do_not_share_the_cookie(make_peer: Callable[..., Peer]) -> None:
    aleph = make_peer("aleph")
    blue, green = (
        create_app({"VERSION": "0.3", "ALEPH_URL": aleph.url, "ROOM": room}).test_client(use_cookies=False)
        for room in ("blue", "green")
    )
    cookie = blue.post("/login", data={"user": "developer"}).headers["Set-Cookie"].partition(";")[0]
    assert cookie == "user-blue=developer"
    for client, user in ((blue, "developer"), (green, None)):
        assert client.get("/backends", headers={"Cookie": cookie}).get_json()["user"] == user
    # The mesh and the backends know one name of it.
    assert [asked["Cookie"] for asked in aleph.asked] == ["user=developer", None]
    # Programs give the plain name; the room's own goes before it.
    for header, user in (("user=alice", "alice"), (f"user=alice; {cookie}", "developer")):
        assert blue.get("/backends", headers={"Cookie": header}).get_json()["user"] == user
    assert blue.post("/logout").headers["Set-Cookie"].startswith("user-blue=;")


def test_every_page_is_self_contained_and_locked_down(client: FlaskClient) -> None:
    for path in ("/", "/backends", "/login", "/logout", "/nope"):
        answer = client.get(path, headers=BROWSER)
        assert answer.mimetype == "text/html"
        assert '<html lang="en">' in answer.text
        assert "//" not in answer.text, "an address of another host"
        assert answer.headers["Content-Security-Policy"] == (
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert {"Accept", "Cookie"} <= set(client.get("/backends").vary)
    assert client.get("/page/page.css").status_code == 200
    assert client.get("/page/icon.svg").status_code == 200


def test_front_says_its_own_version_whatever_the_backends_do(client: FlaskClient) -> None:
    assert client.get("/version").json == {"service": "front", "title": "Front", "version": "0.3", "pod": "front-pod"}
    assert client.get("/healthz").status_code == 200
