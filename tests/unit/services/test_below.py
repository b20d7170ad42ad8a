"""front and webui below a path: a proxy takes the path's beginning off, and names it in X-Forwarded-Prefix."""

from __future__ import annotations

import http.client
import re
import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import front
import webui

BROWSER = {"Accept": "text/html"}
SEVENTH = "/student-07/front"
BELOW = BROWSER | {"X-Forwarded-Prefix": SEVENTH, "X-Forwarded-Proto": "https"}
AWAY = "http://127.0.0.1:1"
PAGES = ("/", "/backends", "/login", "/logout", "/nope")
ADDRESS = re.compile(r'\b(?:href|src|action|data-backends|data-counters)="([^"#]*)"')

# What nobody may lead a page to, or write into a header.
NO_PREFIX = [
    "//evil.example",
    "//evil.example/x",
    "/\\evil.example",
    "\\evil.example",
    "https://evil.example",
    "http:evil.example",
    "evil.example",
    "student-07",
    "/student-07//front",
    "/student-07/../front",
    "/.",
    "/%2f%2fevil.example",
    "/a, //evil.example",
    "//evil.example, /a",
    "/a, /b",
    "/a b",
    "/a;Domain=evil.example",
    '/a"><script>alert(1)</script>',
    "/a?x=",
    "/a#x",
    "/UPPER",
    "/é",
    "/-a",
    "/a-",
    "/a\x0b",
    "/a\x00",
    "/" + "a" * 64,
    "/a/b/c/d/e",
    " /a",
    "/",
]


def make_front(room: str = "blue") -> Flask:
    return front.create_app({"VERSION": "0.3", "ROOM": room, "ALEPH_URL": AWAY, "BETH_URL": AWAY})


def make_webui() -> Flask:
    return webui.create_app({"VERSION": "0.3", "REDIS_HOST": "127.0.0.1", "REDIS_PORT": "1"})


@pytest.fixture
def client() -> FlaskClient:
    """Ask front; cookies are given by hand."""
    return make_front().test_client(use_cookies=False)


def addresses(page: str) -> set[str]:
    """Give every address of a page."""
    return set(ADDRESS.findall(page))


def cookie(answer: TestResponse) -> dict[str, str]:
    """Give the attributes of the one cookie that is set; its name and value under `pair`."""
    (given,) = answer.headers.getlist("Set-Cookie")
    pair, *attributes = given.split("; ")
    return {"pair": pair, **{name: value for name, _, value in (text.partition("=") for text in attributes)}}


@pytest.mark.parametrize("path", PAGES)
def test_every_address_of_a_page_is_below_its_path(client: FlaskClient, path: str) -> None:
    found = addresses(client.get(path, headers=BELOW).text)
    at_root = addresses(client.get(path, headers=BROWSER).text)
    assert at_root
    assert all(re.match(r"/(?!/)", address) for address in at_root)
    assert found == {SEVENTH + address for address in at_root}


@pytest.mark.parametrize("path", ["/page/page.css", "/page/icon.svg", "/static/front.css", "/static/split.js"])
def test_the_pages_files_are_there(client: FlaskClient, path: str) -> None:
    assert client.get(path, headers=BELOW).text == client.get(path).text


def test_webui_is_below_a_path_too() -> None:
    client = make_webui().test_client()
    prefix = {"X-Forwarded-Prefix": "/student-07/webui"}
    page, at_root = client.get("/", headers=prefix).text, client.get("/").text
    assert addresses(page) == {"/student-07/webui" + address for address in addresses(at_root)}
    assert "/student-07/webui/json" in addresses(page)
    assert client.get("/json", headers=prefix).status_code == 503  # redis is away, but the page was found


@pytest.mark.parametrize("make", [make_front, make_webui])
def test_no_script_asks_an_address_of_its_own(make: Callable[[], Flask]) -> None:
    application = make()
    client = application.test_client()
    scripts = [
        address
        for path in ("/", "/backends")
        for address in addresses(client.get(path, headers=BROWSER).text)
        if address.endswith(".js")
    ]
    assert scripts
    for script in scripts:
        assert re.findall(r"""fetch\(["'`]""", client.get(script).text) == []


def test_logging_in_leads_back_below_the_path(client: FlaskClient) -> None:
    answer = client.post("/login", data={"user": "developer"}, headers=BELOW)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{SEVENTH}/backends")
    answer = client.post("/logout", headers=BELOW)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{SEVENTH}/")


def test_the_cookie_is_the_pages_own(client: FlaskClient) -> None:
    login = cookie(client.post("/login", data={"user": "developer"}, headers=BELOW))
    assert login["pair"] == "user-blue.student-07.front=developer"
    assert login["Path"] == f"{SEVENTH}/"
    assert {"Secure", "HttpOnly", "SameSite"} <= set(login)
    assert "Domain" not in login
    logout = cookie(client.post("/logout", headers=BELOW))
    assert (logout["pair"], logout["Path"]) == ("user-blue.student-07.front=", f"{SEVENTH}/")
    assert logout["Max-Age"] == "0"


@pytest.mark.parametrize(
    ("header", "user"),
    [
        ("user-blue.student-07.front=alice", "alice"),
        # Another student's, and the room's own page's, which goes to every path of this host.
        ("user-blue.student-08.front=bob", None),
        ("user-blue=bob", None),
        ("user-blue=bob; user-blue.student-07.front=alice", "alice"),
        # What programs give.
        ("user=developer", "developer"),
    ],
)
def test_pages_of_one_host_do_not_share_the_cookie(client: FlaskClient, header: str, user: str | None) -> None:
    headers = {"X-Forwarded-Prefix": SEVENTH, "Cookie": header}
    assert client.get("/backends", headers=headers).get_json()["user"] == user


def test_the_room_s_own_page_does_not_read_a_students_cookie(client: FlaskClient) -> None:
    header = {"Cookie": "user-blue.student-07.front=alice"}
    assert client.get("/backends", headers=header).get_json()["user"] is None


@pytest.mark.parametrize("secure", [True, False])
def test_the_cookie_is_secure_where_the_browsers_connection_is(client: FlaskClient, secure: bool) -> None:
    headers = BELOW | {"X-Forwarded-Proto": "https" if secure else "http"}
    answer = client.post("/login", data={"user": "developer"}, headers=headers)
    assert ("Secure" in cookie(answer)) is secure


@pytest.mark.parametrize("proto", ["https", "javascript", "https, http"])
def test_without_a_prefix_nothing_else_is_believed(client: FlaskClient, proto: str) -> None:
    headers = {"X-Forwarded-Proto": proto, "X-Forwarded-Host": "evil.example", "Origin": "http://localhost"}
    answer = client.post("/login", data={"user": "developer"}, headers=headers)
    assert answer.headers["Location"] == "/backends"
    assert cookie(answer)["pair"] == "user-blue=developer"
    assert cookie(answer)["Path"] == "/"
    assert "Secure" not in cookie(answer)


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Host": "10.0.0.5:30443", "Origin": "https://10.0.0.5:30443"}, True),
        ({"Host": "10.0.0.5:30443", "Origin": "https://evil.example"}, False),
        # The header is not believed: what the door asks for is in Host.
        ({"Host": "10.0.0.5:30443", "Origin": "https://evil.example", "X-Forwarded-Host": "evil.example"}, False),
        ({"Host": "door.example", "Origin": "https://door.example"}, True),
    ],
)
def test_another_sites_page_cannot_send_the_forms(client: FlaskClient, headers: dict[str, str], own: bool) -> None:
    answer = client.post("/login", data={"user": "developer"}, headers=BELOW | headers)
    assert answer.status_code == (303 if own else 403)
    if not own:
        assert f"use the one at {SEVENTH}/login" in answer.text


@pytest.mark.parametrize("prefix", NO_PREFIX)
@pytest.mark.parametrize("path", ["/", "/login"])
def test_a_prefix_that_is_none_is_refused(client: FlaskClient, prefix: str, path: str) -> None:
    environ = {"HTTP_X_FORWARDED_PREFIX": prefix.encode().decode("latin1"), "HTTP_ACCEPT": "text/html"}
    answer = client.open(path, method="POST", data={"user": "developer"}, environ_overrides=environ)
    assert answer.status_code == 400
    assert "X-Forwarded-Prefix must be one path like /student-07/front" in answer.text
    assert "evil" not in answer.text
    assert "Location" not in answer.headers
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("prefix", ["/a", "/0", "/student-07/front/", "/a/b/c/d", "/" + "a" * 63])
def test_a_prefix_may_be_any_path_of_names(client: FlaskClient, prefix: str) -> None:
    answer = client.post("/login", data={"user": "developer"}, headers=BELOW | {"X-Forwarded-Prefix": prefix})
    assert answer.headers["Location"] == f"{prefix.rstrip('/')}/backends"


def test_an_empty_prefix_is_none(client: FlaskClient) -> None:
    answer = client.get("/", headers=BROWSER | {"X-Forwarded-Prefix": ""})
    assert answer.text == client.get("/", headers=BROWSER).text


def test_an_error_names_the_address_that_was_asked(client: FlaskClient) -> None:
    answer = client.get("/nope", headers=BELOW)
    assert answer.status_code == 404
    assert f"There is nothing at {SEVENTH}/nope." in answer.text


def test_by_its_own_server_too(run_service: Callable[..., Any]) -> None:
    """What a WSGI server makes of the header, and of two of them, is its own."""
    service = run_service("front", ALEPH_URL=AWAY, BETH_URL=AWAY, ROOM="blue")

    def log_in(*prefixes: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
        body = urllib.parse.urlencode({"user": "developer"})
        connection.putrequest("POST", "/login")
        connection.putheader("Content-Type", "application/x-www-form-urlencoded")
        connection.putheader("Content-Length", str(len(body)))
        for prefix in prefixes:
            connection.putheader("X-Forwarded-Prefix", prefix)
        connection.putheader("X-Forwarded-Proto", "https")
        connection.endheaders(body.encode())
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer

    below, at_root = log_in(SEVENTH), log_in()
    assert below.headers["Location"] == f"{SEVENTH}/backends"
    assert "; Secure;" in below.headers["Set-Cookie"]
    assert at_root.headers["Location"] == "/backends"
    assert "Secure" not in at_root.headers["Set-Cookie"]
    refused = log_in("//evil.example", SEVENTH)
    assert (refused.status, refused.headers["Location"], refused.headers["Set-Cookie"]) == (400, None, None)
    assert service.probe("/readyz")[0] == 200
