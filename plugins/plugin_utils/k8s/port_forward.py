# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""HTTP to a port of a pod, as `kubectl port-forward` reaches it, each request by a deadline."""

from __future__ import annotations

import http.client
import io
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from websocket import WebSocketException

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.channels import (
    MOST_BYTES,
    OPEN_SECONDS,
    Channels,
    PodUnreachableError,
)

__all__ = ("PodUnreachableError", "PortForward")

READ_SECONDS = 5.0
DATA, ERROR = 0, 1


class PortForward:
    """A connection to a port of a pod, kept open over several requests."""

    def __init__(self, api: Api, namespace: str, pod: str, port: int, open_seconds: float = OPEN_SECONDS) -> None:
        """Connect; raise PodUnreachableError.

        Args:
            open_seconds: for each step of connecting.
        """
        self._pod = pod
        self._stream = _Stream(Channels.open(api, namespace, pod, "portforward", [("ports", str(port))], open_seconds))
        self._connection = http.client.HTTPConnection("localhost", port)
        self._connection.auto_open = 0
        self._connection.sock = self._stream

    def get(self, path: str, seconds: float = READ_SECONDS) -> bytes:
        """Read a page; raise PodUnreachableError when there is none.

        Args:
            seconds: for the whole answer.
        """
        return self._asked("GET", path, seconds)

    def post(self, path: str, body: Mapping[str, Any], seconds: float = READ_SECONDS) -> bytes:
        """Send JSON, likewise; what was made is told with 201."""
        return self._asked("POST", path, seconds, json.dumps(body), http.HTTPStatus.CREATED)

    def _asked(
        self, method: str, path: str, seconds: float, body: str | None = None, good: int = http.HTTPStatus.OK
    ) -> bytes:
        self._stream.deadline, self._stream.left = time.monotonic() + seconds, MOST_BYTES
        try:
            self._connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            response = self._connection.getresponse()
            answer = response.read()
        except TimeoutError as error:
            raise PodUnreachableError(f"pod {self._pod} has not answered within {seconds:g} s") from error
        except (OSError, http.client.HTTPException, WebSocketException) as error:
            why = self._stream.complaint or str(error) or type(error).__name__
            raise PodUnreachableError(f"the connection to pod {self._pod} broke ({why})") from error
        if response.status != good:
            raise PodUnreachableError(f"pod {self._pod} answers {response.status} {response.reason}")
        return answer

    def close(self) -> None:
        """End it."""
        self._stream.channels.close()


class _Stream:
    """What `http.client` needs of a socket."""

    def __init__(self, channels: Channels) -> None:
        self.channels = channels
        self.deadline, self.left = 0.0, MOST_BYTES
        self.complaint = ""
        self._pending = b""
        # Each channel begins with the port's number.
        self._begun: set[int] = set()

    def sendall(self, data: bytes) -> None:
        self.channels.send(DATA, data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self.read))

    def close(self) -> None:
        """The connection is closed by its owner; `http.client` does it when the other side wants no more requests."""

    def read(self, size: int) -> bytes:
        """Give some bytes, none at the end."""
        while not self._pending:
            received = self.channels.receive(self.deadline - time.monotonic())
            if received is None:
                return b""
            channel, data = received
            if channel not in self._begun:
                self._begun.add(channel)
                data = data[2:]
            if channel == ERROR and data:
                self.complaint = data.decode("utf-8", "replace").strip()
                raise ConnectionError(self.complaint)
            self._pending = data if channel == DATA else b""
            self.left -= len(self._pending)
            if self.left < 0:
                raise ConnectionError(f"its answer has more than {MOST_BYTES // 2**20} MiB")
        given, self._pending = self._pending[:size], self._pending[size:]
        return given


class _Reader(io.RawIOBase):
    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
