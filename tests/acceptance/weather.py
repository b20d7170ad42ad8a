"""Weather on the way to an API server: a TCP proxy that falls silent, refuses, slows down or breaks off.

The room's kubeconfig leads through it as long as the context lasts, so that plays feel the weather and nothing else
does: pods, proxies and users have none of it.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

CHUNK_BYTES = 65536
SLOW_SECONDS = 1.0


class Weather:
    """Between 127.0.0.1:`port` and the API server at 127.0.0.1:`target`."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._over = threading.Event()
        self._calm = threading.Event()
        self._calm.set()
        self._delay = 0.0
        self._connections: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def freeze(self) -> None:
        """From now on nothing comes through, in either direction, and no connection is broken."""
        self._calm.clear()

    def silent(self, seconds: float) -> None:
        """The same for a while."""
        self.freeze()
        time.sleep(seconds)
        self._calm.set()

    def refused(self, seconds: float) -> None:
        """Nobody listens, and what was connected is cut off: an API server that is started anew."""
        self._deaf()
        self.cut()
        time.sleep(seconds)
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self, _: float = 0) -> None:
        """Every connection is reset."""
        connections, self._connections = self._connections, []
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def slow(self, seconds: float) -> None:
        """Each piece of an answer takes a second longer."""
        self._delay = SLOW_SECONDS
        time.sleep(seconds)
        self._delay = 0.0

    def close(self) -> None:
        """Clear up."""
        self._over.set()
        self._calm.set()
        self._deaf()
        self.cut()

    def _deaf(self) -> None:
        """Stop listening: who only closes it lets the thread that waits in accept() take one more connection."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while not self._over.is_set():
            try:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                if listener.fileno() == -1:
                    return
                continue
            self._connections += [near, far]
            for source, sink, delayed in ((near, far, False), (far, near, True)):
                threading.Thread(target=self._pass, args=(source, sink, delayed), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, delayed: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK_BYTES):
                self._calm.wait()
                if delayed and self._delay:
                    time.sleep(self._delay)
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def weather(kubeconfig: Path) -> Iterator[Weather]:
    """Lead a kubeconfig through it, and give it back as it was."""
    text = kubeconfig.read_text()
    found = re.search(r"server: https://127\.0\.0\.1:(\d+)", text)
    assert found, text
    between = Weather(int(found[1]))
    try:
        kubeconfig.write_text(text.replace(found[0], f"server: https://127.0.0.1:{between.port}"))
        yield between
    finally:
        kubeconfig.write_text(text)
        between.close()
