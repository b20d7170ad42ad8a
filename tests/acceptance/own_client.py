"""Users of one's own: requests at front's NodePort that no part of the workshop sends, counts or judges.

Sequence-numbered, in an open loop (request n is due at start + n / rate, whatever the answers do), each over a
connection of its own and sent once. front shows a backend's failure in place, with status 200: what became of a
request is read from the JSON of `/backends`, for each backend.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

# front itself waits 10 s for a backend.
TIMEOUT_SECONDS = 15.0
# Failures that are so close together are one loss.
GAP_SECONDS = 1.5
# What a request fails in where front itself gives no answer.
FRONT = "front"


@dataclass(frozen=True)
class Asked:
    """One request and what became of it; times are in seconds since 1970."""

    sequence: int
    sent: float
    ended: float
    # Which version answered, by backend, and why one did not.
    versions: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)


class Failure(NamedTuple):
    """One request that was lost: for which backend, when it was sent, when that was known, and why."""

    backend: str
    sent: float
    ended: float
    reason: str


@dataclass(frozen=True)
class Loss:
    """Failures in a row: of whose, when, how many, and what was said."""

    backend: str
    begin: float
    end: float
    count: int
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        """For people.

        >>> print(Loss("aleph", 0.0, 2.5, 20, ("answered 503",)))
        20 requests for aleph, 00:00:00 for 2.5 s: answered 503
        """
        at = time.strftime("%H:%M:%S", time.gmtime(self.begin))
        said = "; ".join(self.reasons)
        return f"{self.count} requests for {self.backend}, {at} for {self.end - self.begin:.1f} s: {said}"


def losses(failures: Iterable[Failure]) -> list[Loss]:
    """Join failures that are close together.

    >>> [loss.count for loss in losses([Failure("a", 1, 2, "x"), Failure("a", 2, 3, "y"), Failure("a", 9, 9, "x")])]
    [2, 1]
    """
    found: list[Loss] = []
    last: dict[str, int] = {}
    for backend, sent, ended, reason in sorted(failures, key=lambda each: each.sent):
        place = last.get(backend)
        if place is not None and sent <= found[place].end + GAP_SECONDS:
            known = found[place]
            reasons = known.reasons if reason in known.reasons else (*known.reasons, reason)
            found[place] = Loss(backend, known.begin, max(known.end, ended), known.count + 1, reasons)
        else:
            last[backend] = len(found)
            found.append(Loss(backend, sent, ended, 1, (reason,)))
    return found


class OwnClient:
    """Asks front as long as the context lasts, `rate` times a second (up to 50)."""

    def __init__(
        self,
        port: int,
        rate: float = 8,
        address: str = "127.0.0.1",
        cookie: str = "",
        excused: Callable[[Failure], bool] = lambda _: False,
    ) -> None:
        self._address, self._port, self._rate, self._excused = address, port, rate, excused
        self._headers = {"Accept": "application/json", "Connection": "close", **({"Cookie": cookie} if cookie else {})}
        self._lock = threading.Lock()
        self._asked: list[Asked] = []

    def __enter__(self) -> OwnClient:
        self._stop = threading.Event()
        # As many as can be waiting for an answer: the loop never waits for one itself.
        self._senders = ThreadPoolExecutor(max_workers=int(self._rate * TIMEOUT_SECONDS) + 1)
        self._thread = threading.Thread(target=self._send)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._senders.shutdown(wait=True)

    def asked(self, since: float = 0.0, until: float = float("inf")) -> list[Asked]:
        """The requests that were sent in this time and have ended, in their order."""
        with self._lock:
            found = [each for each in self._asked if since <= each.sent < until]
        return sorted(found, key=lambda each: each.sequence)

    def failures(self, since: float = 0.0, until: float = float("inf")) -> list[Failure]:
        """What failed of them, but for what is excused."""
        found = (
            Failure(backend, each.sent, each.ended, reason)
            for each in self.asked(since, until)
            for backend, reason in each.errors.items()
        )
        return [failure for failure in found if not self._excused(failure)]

    def losses(self, since: float = 0.0, until: float = float("inf")) -> list[Loss]:
        """The same, joined."""
        return losses(self.failures(since, until))

    def versions(self, backend: str, since: float = 0.0, until: float = float("inf")) -> Counter[str]:
        """How many of them each version answered."""
        found = (each.versions.get(backend) for each in self.asked(since, until))
        return Counter(version for version in found if version)

    def settle(self, requests: int = 24, seconds: float = 30) -> float:
        """Wait until so many requests that were sent from now on have ended; gives the time from which they count."""
        since, deadline = time.time(), time.monotonic() + seconds
        while len(self.asked(since)) < requests:
            assert time.monotonic() < deadline, f"fewer than {requests} requests ended within {seconds:g} s"
            time.sleep(0.1)
        return since

    def _send(self) -> None:
        start, sequence = time.monotonic(), 0
        while not self._stop.wait(max(0.0, start + sequence / self._rate - time.monotonic())):
            self._senders.submit(self._ask, sequence)
            sequence += 1

    def _ask(self, sequence: int) -> None:
        sent = time.time()
        try:
            shown = self._get()
        except (OSError, http.client.HTTPException, ValueError) as error:
            asked = Asked(sequence, sent, time.time(), errors={FRONT: str(error) or type(error).__name__})
        else:
            versions = {each["backend"]: each["version"] for each in shown if not each["error"]}
            errors = {each["backend"]: each["error"] for each in shown if each["error"]}
            asked = Asked(sequence, sent, time.time(), versions, errors)
        with self._lock:
            self._asked.append(asked)

    def _get(self) -> list[dict[str, Any]]:
        connection = http.client.HTTPConnection(self._address, self._port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("GET", "/backends", headers=self._headers)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(f"front answered {answer.status}: {body[:100].decode(errors='replace')}")
        shown: list[dict[str, Any]] = json.loads(body)["backends"]
        return shown
