"""What may stand at an API server's address, on real sockets."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Talk = Callable[[socket.socket], None]


def heard(connection: socket.socket) -> bytes:
    """Read a request's head."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(4096)
        if not chunk:
            break
        data += chunk
    return data


def says(text: str, status: str = "200 OK", kind: str = "application/json", more: str = "") -> Talk:
    """Answer one request."""

    def talk(connection: socket.socket) -> None:
        heard(connection)
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{more}Content-Length: {len(text)}\r\n"
        connection.sendall(f"{head}Connection: close\r\n\r\n{text}".encode())

    return talk


def silent(connection: socket.socket) -> None:
    """Take everything, and answer nothing."""
    while connection.recv(4096):
        pass


def trickles(connection: socket.socket) -> None:
    """Begin an answer that never ends, a byte at a time: no read takes long."""
    heard(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
    for _ in range(100):
        time.sleep(0.05)
        connection.sendall(b" ")


def resets(connection: socket.socket) -> None:
    """Cut the connection off when the request has come."""
    heard(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def ends(connection: socket.socket) -> None:
    """End the connection when the request has come, with nothing said."""
    heard(connection)


def babbles(connection: socket.socket) -> None:
    """Speak another protocol."""
    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
    heard(connection)


class Listener:
    """Talks in turn with who connects; the last way of talking goes on."""

    def __init__(self, *talks: Talk, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.connections = 0
        self._talks, self._tls = list(talks), tls
        self._listening = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listening.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self._open.append(connection)
                talk = self._talks[min(self.connections, len(self._talks) - 1)]
                self.connections += 1
                threading.Thread(target=self._talk, args=(connection, talk), daemon=True).start()

    def _talk(self, connection: socket.socket, talk: Talk) -> None:
        with contextlib.suppress(OSError), connection:
            if self._tls:
                with self._tls.wrap_socket(connection, server_side=True) as secured:
                    talk(secured)
            else:
                talk(connection)

    def close(self) -> None:
        """End it all."""
        for each in [self._listening, *self._open]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@contextmanager
def listening(*talks: Talk, tls: ssl.SSLContext | None = None, port: int = 0) -> Iterator[Listener]:
    """Listen for the length of a block."""
    listener = Listener(*talks, tls=tls, port=port)
    try:
        yield listener
    finally:
        listener.close()


def free_port() -> int:
    """Give a port at which nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


Frame = tuple[int, bytes]


class Pod:
    """The far end of a websocket to a pod: sends portions of (channel, bytes), some seconds apart, and then closes."""

    def __init__(self, *frames: Frame, pause: float = 0.0, then: str = "close") -> None:
        self.frames, self.pause, self.then = frames, pause, then
        self.asked = b""
        self.received: list[Frame] = []

    def __call__(self, connection: socket.socket) -> None:
        self.asked = heard(connection)
        key = next(
            line.partition(b": ")[2]
            for line in self.asked.split(b"\r\n")
            if line.lower().startswith(b"sec-websocket-key")
        )
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Protocol: v4.channel.k8s.io\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self.talk(connection)

    def talk(self, connection: socket.socket) -> None:
        """Say what is to be said."""
        for channel, data in self.frames:
            self.send(connection, channel, data)
            time.sleep(self.pause)
        if self.then == "close":
            connection.sendall(bytes([0x88, 2]) + struct.pack(">H", 1000))
        elif self.then == "hang":
            silent(connection)

    @staticmethod
    def send(connection: socket.socket, channel: int, data: bytes) -> None:
        """Send one frame."""
        payload = bytes([channel]) + data
        size = len(payload)
        head = bytes([0x82, size]) if size < 126 else bytes([0x82, 126]) + struct.pack(">H", size)
        connection.sendall(head + payload)

    @staticmethod
    def receive(connection: socket.socket) -> Frame | None:
        """Take one frame; None when the other side closes."""
        head = connection.recv(2, socket.MSG_WAITALL)
        if len(head) < 2 or head[0] & 0x0F == 8:
            return None
        size = head[1] & 0x7F
        if size == 126:
            (size,) = struct.unpack(">H", connection.recv(2, socket.MSG_WAITALL))
        mask = connection.recv(4, socket.MSG_WAITALL)
        masked = connection.recv(size, socket.MSG_WAITALL)
        data = bytes(byte ^ mask[index % 4] for index, byte in enumerate(masked))
        return data[0], data[1:]


class ForwardedPort(Pod):
    """A pod's port behind a port-forward: answers each request with the next of some texts."""

    def talk(self, connection: socket.socket) -> None:
        port = struct.pack("<H", 15000)
        for channel in (0, 1):
            self.send(connection, channel, port)
        answers = [data for _, data in self.frames]
        while frame := self.receive(connection):
            self.received.append(frame)
            if frame[1].endswith(b"\r\n\r\n") and answers:
                # In two pieces, as it comes from a network.
                answer = answers.pop(0)
                self.send(connection, 0, answer[:20])
                self.send(connection, 0, answer[20:])
