"""A socket with a time-out for all that it does: who answers in drips holds no thread for ever."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class DeadlineSocket(socket.socket):
    """A connected socket that raises TimeoutError from its deadline on, however often the peer sends a byte.

    A plain socket's time-out begins anew with each read, and libraries set it for each read; both still holds here,
    within the deadline.
    """

    _deadline: float

    @classmethod
    def over(cls, plain: socket.socket, seconds: float) -> DeadlineSocket:
        """Take over a connected socket, for at most so many seconds from now."""
        timeout = plain.gettimeout()
        taken = cls(plain.family, plain.type, plain.proto, fileno=plain.detach())
        taken.settimeout(timeout)
        taken._deadline = time.monotonic() + seconds
        return taken

    def recv(self, *arguments: Any) -> bytes:
        """Receive within the deadline."""
        with self._within_deadline():
            return super().recv(*arguments)

    def recv_into(self, *arguments: Any) -> int:
        """Receive within the deadline; http.client reads by this."""
        with self._within_deadline():
            return super().recv_into(*arguments)

    def sendall(self, *arguments: Any) -> None:
        """Send all of it within the deadline."""
        with self._within_deadline():
            super().sendall(*arguments)

    @contextmanager
    def _within_deadline(self) -> Iterator[None]:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        timeout = self.gettimeout()
        self.settimeout(left if timeout is None else min(timeout, left))
        try:
            yield
        finally:
            if self.fileno() >= 0:  # http.client closes it within a read
                self.settimeout(timeout)
