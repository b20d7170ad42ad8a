"""What became of many requests, as one JSON object."""

from __future__ import annotations

import math
import threading
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from load.client import Outcome, Request

SHOWN_FAILURES = 20


class Summary:
    """Counts requests and outcomes by target, as they come; keeps a number for each request and no more."""

    def __init__(self, targets: Sequence[str]) -> None:
        self._lock = threading.Lock()
        self._tallies = {name: Tally() for name in targets}

    def sent(self, request: Request) -> None:
        """Count a request."""
        with self._lock:
            self._tallies[request.target].sent(request)

    def outcome(self, request: Request, outcome: Outcome) -> None:
        """Count what became of it."""
        with self._lock:
            self._tallies[request.target].outcome(request, outcome)

    @property
    def missing(self) -> int:
        """How many requests have no outcome (yet)."""
        with self._lock:
            return sum(tally.missing for tally in self._tallies.values())

    def result(self, since: float, until: float) -> dict[str, Any]:
        """Sum up. Times are in seconds since 1970."""
        with self._lock:
            return {
                "since": round(since, 6),
                "until": round(until, 6),
                "targets": {name: tally.result(until - since) for name, tally in self._tallies.items()},
            }


class Tally:
    """The counts of one target."""

    def __init__(self) -> None:
        self._first: int | None = None
        self._last = -1
        self._outcomes = self._failed = 0
        self._statuses: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._versions: Counter[str] = Counter()
        self._latencies = array("d")
        self._failures: list[dict[str, Any]] = []

    def sent(self, request: Request) -> None:
        """Count a request."""
        self._first = request.sequence if self._first is None else min(self._first, request.sequence)
        self._last = max(self._last, request.sequence)

    def outcome(self, request: Request, outcome: Outcome) -> None:
        """Count what became of it."""
        self._outcomes += 1
        if outcome.status is not None:
            self._statuses[str(outcome.status)] += 1
            self._latencies.append(outcome.latency_ms)
        if outcome.error is not None:
            self._errors[outcome.error] += 1
        if not outcome.failed:
            if outcome.version is not None:
                self._versions[outcome.version] += 1
            return
        self._failed += 1
        if len(self._failures) < SHOWN_FAILURES:
            shown = {"sequence": request.sequence, "request_id": request.id, "at": request.at}
            answer = {"status": outcome.status, "error": outcome.error, "version": outcome.version}
            self._failures.append({**shown, **answer, "latency_ms": outcome.latency_ms})

    @property
    def total(self) -> int:
        """How many requests were due: from the first to the last sequence number, whether heard of or not."""
        return 0 if self._first is None else self._last - self._first + 1

    @property
    def missing(self) -> int:
        """How many of them have no outcome."""
        return self.total - self._outcomes

    def result(self, seconds: float) -> dict[str, Any]:
        """Give the counts, and percentiles of the answers' latencies."""
        ordered = sorted(self._latencies)
        return {
            "sent": self.total,
            "answered": len(ordered),
            "failed": self._failed + self.missing,
            "missing": self.missing,
            "rate": round(self.total / seconds, 2) if seconds > 0 else None,
            "statuses": dict(sorted(self._statuses.items())),
            "errors": dict(sorted(self._errors.items())),
            "versions": dict(sorted(self._versions.items())),
            "latency_ms": {f"p{percent}": percentile(ordered, percent) for percent in (50, 90, 99)}
            | {"max": ordered[-1] if ordered else None},
            "failures": self._failures,
        }


def percentile(ordered: Sequence[float], percent: float) -> float | None:
    """Give the smallest value that at least so many percent do not exceed (nearest rank).

    >>> percentile([1.0, 2.0, 3.0, 4.0], 50)
    2.0
    """
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)] if ordered else None


def in_words(result: Mapping[str, Any]) -> str:
    """Sum a summary up in a line for people: what is under way has not failed.

    >>> in_words({"targets": {"aleph": {"sent": 459, "failed": 8, "missing": 8}}})
    'aleph: 459 sent, 0 failed, 8 without an answer yet'
    """
    return "; ".join(_counts(name, **counts) for name, counts in result["targets"].items())


def _counts(name: str, sent: int, failed: int, missing: int, **_: Any) -> str:
    waiting = f", {missing} without an answer yet" if missing else ""
    return f"{name}: {sent} sent, {failed - missing} failed{waiting}"
