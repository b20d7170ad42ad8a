"""The door as docs/door.md tells it: which address leads where, and what of a page's answer gets through."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator, Mapping

import pytest
from tests.acceptance.attempts import Pod
from tests.acceptance.room import Room, wait_for
from tests.acceptance.student import Student, class_of_two
from tests.acceptance.test_class_isolation import deployed, deployment, image_of

OWNER, OTHER = "student-01", "student-02"
OF_ALL = {
    "Service-Worker-Allowed": "/",
    "Clear-Site-Data": '"cookies"',
    "Strict-Transport-Security": "max-age=1000",
    "Alt-Svc": 'h2=":443"',
    "NEL": "{}",
    "Report-To": "{}",
    "Reporting-Endpoints": 'x="/"',
}
# What a student may put in the place of front: it tells the path that it was told, and speaks websocket.
PAGE = f"""
import http.server

class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.headers.get("Upgrade") == "websocket":
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.end_headers()
            self.wfile.write(b"hello")
            self.close_connection = True
            return
        body = self.headers.get("X-Forwarded-Prefix", "").encode()
        self.send_response(200)
        for name, value in {OF_ALL!r}.items():
            self.send_header(name, value)
        self.send_header("X-Page", "mine")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.ThreadingHTTPServer(("", 8080), Page).serve_forever()
"""


class Door:
    """One connection to the door, whose certificate is believed as docs/door.md says."""

    def __init__(self, room: Room) -> None:
        self.address = room.address, room.front_port + 1000
        self._trusted = ssl.create_default_context(cafile=str(room.state / "door/ca.crt"))

    def ask(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and the beginning of the body."""
        connection = http.client.HTTPSConnection(*self.address, timeout=20, context=self._trusted)
        try:
            connection.request("GET", path, headers=dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read(4096)
        finally:
            connection.close()

    def upgraded(self, path: str) -> bytes:
        """What comes after a websocket's handshake."""
        with (
            socket.create_connection(self.address, 20) as plain,
            self._trusted.wrap_socket(plain, server_hostname=self.address[0]) as secured,
        ):
            lines = (f"GET {path} HTTP/1.1", "Host: door", "Upgrade: websocket", "Connection: Upgrade", "", "")
            secured.sendall("\r\n".join(lines).encode())
            heard = b""
            while not heard.endswith(b"hello") and (part := secured.recv(4096)):
                heard += part
            return heard


@pytest.fixture(scope="module")
def door(room: Room) -> Door:
    class_of_two(room, OWNER, OTHER)
    return Door(room)


@pytest.mark.parametrize("path", ["", "/", "/front"])
def test_a_place_s_path_leads_to_its_page(door: Door, path: str) -> None:
    status, headers, _ = door.ask(f"/{OWNER}{path}")
    assert (status, headers["location"].endswith(f"/{OWNER}/front/")) == (302, True)


@pytest.mark.parametrize(
    "path", ["/", "/front/", f"/{OWNER}x/front/", f"/{OWNER}/aleph/", "/student-99/front/", "/../etc"]
)
def test_anything_else_is_a_sentence(door: Door, path: str) -> None:
    status, _, body = door.ask(path)
    assert status == 404
    assert b"There is nothing at this address of the workshop" in body


def test_plain_text_is_not_answered(door: Door) -> None:
    with socket.create_connection(door.address, 20) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: door\r\n\r\n")
        plain.settimeout(20)
        try:
            heard = plain.recv(4096)
        except ConnectionResetError:
            heard = b""
    assert not heard.startswith(b"HTTP/")


@pytest.fixture(scope="module")
def page(room: Room, door: Door) -> Iterator[Student]:
    """A student whose page is a program of their own."""
    student = Student(room, OWNER)
    image = image_of(student)
    student.kubectl("scale", "deployment/front-v03", "--replicas=0")
    own = deployment(Pod(container={"command": ["python", "-c", PAGE]}), image, name="front")
    try:
        for there in deployed(student, own):
            wait_for(lambda: "x-page" in door.ask(f"/{OWNER}/front/")[1], 60)
            yield there
    finally:
        student.kubectl("scale", "deployment/front-v03", "--replicas=1")
        student.kubectl("rollout", "status", "deployment/front-v03", "--timeout=120s")


def test_a_page_says_nothing_for_the_whole_address(page: Student, door: Door) -> None:
    _, headers, _ = door.ask(f"/{page.name}/front/")
    assert headers["x-page"] == "mine"
    assert not {name.lower() for name in OF_ALL} & headers.keys()


def test_a_page_is_told_its_path_whatever_the_browser_says(page: Student, door: Door) -> None:
    path = f"/{page.name}/front"
    assert door.ask(f"{path}/", {"X-Forwarded-Prefix": f"/{OTHER}/front"})[2] == path.encode()


def test_a_websocket_goes_through(page: Student, door: Door) -> None:
    heard = door.upgraded(f"/{page.name}/front/")
    assert heard.startswith(b"HTTP/1.1 101 ")
    assert heard.endswith(b"hello")
