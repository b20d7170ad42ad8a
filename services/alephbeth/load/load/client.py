"""Send requests, in an open loop (at a rate, whatever the answers do) or a closed one (as fast as answered)."""

from __future__ import annotations

import http.client
import itertools
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol
from uuid import uuid4

from deadline_socket import DeadlineSocket

# In an open loop, requests to one target that may wait for their answers at once; one more is a failure.
MOST_IN_FLIGHT = 256
# A Service keeps its address; asking DNS for every request would load the cluster more than the requests do.
ADDRESS_SECONDS = 5.0
VERSION_HEADER = "X-Service-Version"
WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
# Close by a reset: no port stays in TIME_WAIT, of which there are too few for 500 connections a second.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Target:
    """Where requests go, and a name for people."""

    name: str
    host: str
    port: int = 80
    path: str = "/"


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `at` is when it was due, in seconds since 1970."""

    target: str
    sequence: int
    id: str
    at: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request: a status or an error. Its latency counts from when the request was due."""

    latency_ms: float
    status: int | None = None
    error: str | None = None
    version: str | None = None

    @property
    def failed(self) -> bool:
        """Whether there was no answer, or one that is no success."""
        return self.status is None or not 200 <= self.status < 300


class Recorder(Protocol):
    """Is told of every request twice, by many threads: when it is sent, and what became of it."""

    def sent(self, request: Request) -> None: ...

    def outcome(self, request: Request, outcome: Outcome) -> None: ...


@dataclass(frozen=True)
class Limits:
    """When to stop by oneself."""

    requests: int | None = None
    seconds: float = float("inf")

    def sequences(self) -> Iterator[int]:
        """Give the numbers of the requests to a target."""
        return itertools.count() if self.requests is None else iter(range(self.requests))


NO_LIMITS = Limits()


class Client:
    """Sends requests to some targets and tells a recorder.

    Every request has a connection of its own, and is never sent twice. The connection leads to the proxy in the same
    pod, so that it costs little; a kept one that the other side has closed meanwhile would look like a failure of the
    service, and could only be told from one by sending the request again.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        recorder: Recorder,
        *,
        method: str = "GET",
        headers: Sequence[tuple[str, str]] = (),
        timeout: float = 10.0,
        run: str | None = None,
    ) -> None:
        self._targets = targets
        self._recorder = recorder
        self._method = method
        self._headers = [("Connection", "close"), *headers]
        if method not in WITHOUT_BODY:
            self._headers.append(("Content-Length", "0"))
        self._timeout = timeout
        self._run = run or new_run()
        self._addresses: dict[str, tuple[float, str]] = {}

    def at_rate(self, rate: float, stop: threading.Event, limits: Limits = NO_LIMITS) -> None:
        """Send `rate` requests a second to each target: request n is due at start + n / rate.

        Returns when all are answered.
        """
        places = {target.name: threading.Semaphore(MOST_IN_FLIGHT) for target in self._targets}
        start = time.monotonic()
        with ThreadPoolExecutor(max_workers=MOST_IN_FLIGHT * len(self._targets)) as pool:
            for sequence in limits.sequences():
                if sequence / rate >= limits.seconds:
                    return
                due = start + sequence / rate
                if stop.wait(max(0.0, due - time.monotonic())):
                    return
                for target in self._targets:
                    request = self._begin(target, sequence, due)
                    place = places[target.name]
                    if place.acquire(blocking=False):
                        pool.submit(self._send, target, request, due, place)
                    else:
                        error = f"not sent: {MOST_IN_FLIGHT} others wait for their answers"
                        self._recorder.outcome(request, Outcome(_milliseconds_since(due), error=error))

    def as_answered(self, concurrency: int, stop: threading.Event, limits: Limits) -> None:
        """Send to each target as fast as `concurrency` senders for it get their answers."""
        end = time.monotonic() + limits.seconds
        lock = threading.Lock()

        def keep_sending(target: Target, sequences: Iterator[int]) -> None:
            while not stop.is_set() and (due := time.monotonic()) < end:
                with lock:
                    sequence = next(sequences, None)
                if sequence is None:
                    return
                self._send(target, self._begin(target, sequence, due), due)

        with ThreadPoolExecutor(max_workers=concurrency * len(self._targets)) as pool:
            for target in self._targets:
                sequences = limits.sequences()
                for _ in range(concurrency):
                    pool.submit(keep_sending, target, sequences)

    def _begin(self, target: Target, sequence: int, due: float) -> Request:
        # Schedules and latencies are monotonic: a laptop that was asleep has missed requests, not lost them.
        at = round(time.time() - (time.monotonic() - due), 6)
        request = Request(target.name, sequence, request_id(self._run, target.name, sequence), at)
        self._recorder.sent(request)
        return request

    def _send(self, target: Target, request: Request, due: float, place: threading.Semaphore | None = None) -> None:
        try:
            status, version = self._exchange(target, request)
        except (OSError, http.client.HTTPException) as failure:
            outcome = Outcome(_milliseconds_since(due), error=self._reason(failure))
        else:
            outcome = Outcome(_milliseconds_since(due), status=status, version=version)
        if place:
            place.release()
        self._recorder.outcome(request, outcome)

    def _exchange(self, target: Target, request: Request) -> tuple[int, str | None]:
        """Give an answer's status and version."""
        deadline = time.monotonic() + self._timeout
        plain = socket.create_connection((self._address(target.host), target.port), self._timeout)
        with DeadlineSocket.over(plain, deadline - time.monotonic()) as connected:
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            connection = http.client.HTTPConnection(target.host, target.port)
            connection.sock = connected
            connection.putrequest(self._method, target.path, skip_accept_encoding=True)
            connection.putheader("x-request-id", request.id)
            for name, value in self._headers:
                connection.putheader(name, value)
            connection.endheaders()
            with connection.getresponse() as response:
                response.read()
        return response.status, response.headers.get(VERSION_HEADER)

    def _address(self, host: str) -> str:
        known_until, address = self._addresses.get(host, (0.0, ""))
        if time.monotonic() > known_until:
            # The cluster's networks are IPv4.
            address = str(socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])
            self._addresses[host] = (time.monotonic() + ADDRESS_SECONDS, address)
        return address

    def _reason(self, failure: Exception) -> str:
        """Name a failure in the same words each time, so that failures can be counted."""
        match failure:
            case socket.gaierror():
                return "name not known"
            case TimeoutError():
                return f"no answer within {self._timeout:g} s"
            case ConnectionRefusedError():
                return "connection refused"
            case http.client.IncompleteRead():
                return "connection closed in the middle of the answer"
            case ConnectionError():  # http.client's RemoteDisconnected is one
                return "connection closed before the answer"
            case _:
                return f"connection failed ({type(failure).__name__})"


def new_run() -> str:
    """Name a run, so that its request ids are its own."""
    return uuid4().hex[:8]


def request_id(run: str, target: str, sequence: int) -> str:
    """Name a request. No UUID: Envoy writes its decision on tracing into those, and the ids would differ."""
    return f"load-{run}-{target}-{sequence}"


def _milliseconds_since(due: float) -> float:
    return round((time.monotonic() - due) * 1000, 2)
