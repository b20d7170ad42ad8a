"""Send requests, in an open loop (at a rate, whatever the answers do) or a closed one (as fast as answered)."""

from __future__ import annotations

import http.client
import itertools
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import uuid4

# In an open loop, requests to one target that may wait for their answers at once; one more is a failure.
MOST_IN_FLIGHT = 256
VERSION_HEADER = "X-Service-Version"


@dataclass(frozen=True)
class Target:
    """Where requests go: a name for people, and a plain address http://HOST[:PORT]/PATH."""

    name: str
    url: str


@dataclass(frozen=True)
class Outcome:
    """What became of one request. `due` is in seconds since 1970; the latency, in ms, counts from then."""

    target: str
    sequence: int
    request_id: str
    due: float
    latency_ms: float
    status: int | None
    error: str | None
    version: str | None

    @property
    def failed(self) -> bool:
        """Whether it had no answer, or one that is no success."""
        return self.status is None or not 200 <= self.status < 300


class Client:
    """Sends requests to some targets and hands each one's outcome on.

    Every request has a connection of its own. It leads to the proxy in the same pod, so that it costs little; a kept
    one that the proxy has closed meanwhile would look like a failure of the service.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        record: Callable[[Outcome], None],
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        timeout: float = 10.0,
    ) -> None:
        self._targets = list(targets)
        self._record = record
        self._method = method
        self._headers = dict(headers or {})
        self._timeout = timeout
        self._run = uuid4().hex[:8]

    def at_rate(
        self, rate: float, stop: threading.Event, *, start: float | None = None, requests: int | None = None
    ) -> None:
        """Send `rate` requests a second to each target until `stop` is set, or `requests` to each.

        Request n is due at start + n / rate. Returns when all are answered.
        """
        start = time.time() if start is None else start
        waiting = {target.name: threading.Semaphore(MOST_IN_FLIGHT) for target in self._targets}
        with ThreadPoolExecutor(max_workers=MOST_IN_FLIGHT * len(self._targets)) as pool:
            for sequence in itertools.count() if requests is None else range(requests):
                due = start + sequence / rate
                if stop.wait(max(0.0, due - time.time())):
                    return
                for target in self._targets:
                    if waiting[target.name].acquire(blocking=False):
                        pool.submit(self._send, target, sequence, due, waiting[target.name])
                    else:
                        self._record(self._outcome(target, sequence, due, None, "too many in flight", None))

    def at_once(self, requests: int, concurrency: int, stop: threading.Event) -> None:
        """Send `requests` to each target, as fast as `concurrency` senders for each get their answers."""
        numbers = {target.name: iter(range(requests)) for target in self._targets}
        lock = threading.Lock()

        def sender(target: Target) -> None:
            while not stop.is_set():
                with lock:
                    sequence = next(numbers[target.name], None)
                if sequence is None:
                    return
                self._send(target, sequence, time.time())

        threads = [
            threading.Thread(target=sender, args=(target,), daemon=True)
            for target in self._targets
            for _ in range(min(concurrency, requests))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _send(self, target: Target, sequence: int, due: float, place: threading.Semaphore | None = None) -> None:
        status, version, error = None, None, None
        url = urlsplit(target.url)
        connection = http.client.HTTPConnection(url.hostname or "", url.port or 80, timeout=self._timeout)
        try:
            headers = {**self._headers, "x-request-id": self._id(target, sequence), "Connection": "close"}
            connection.request(self._method, url.path or "/", headers=headers)
            response = connection.getresponse()
            response.read()
            status, version = response.status, response.headers.get(VERSION_HEADER)
        except socket.gaierror:
            error = "name not known"
        except TimeoutError:
            error = f"no answer within {self._timeout:g} s"
        except ConnectionRefusedError:
            error = "connection refused"
        except (OSError, http.client.HTTPException) as failure:
            error = f"connection failed ({type(failure).__name__})"
        finally:
            connection.close()
            if place:
                place.release()
        self._record(self._outcome(target, sequence, due, status, error, version))

    def _outcome(
        self, target: Target, sequence: int, due: float, status: int | None, error: str | None, version: str | None
    ) -> Outcome:
        latency = round((time.time() - due) * 1000, 2)
        return Outcome(target.name, sequence, self._id(target, sequence), due, latency, status, error, version)

    def _id(self, target: Target, sequence: int) -> str:
        return f"load-{self._run}-{target.name}-{sequence}"
