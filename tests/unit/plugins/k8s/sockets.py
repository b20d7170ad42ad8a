"""What may stand at an API server's address, on real sockets."""

from __future__ import annotations

import contextlib
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
