"""The serving client's record of what it has sent, on disk: another process reports from it."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from load.client import Outcome
from load.summary import summary

DIRECTORY = Path("/tmp/load")
# 10 segments of 10,000 outcomes are about 25 MB at most.
SEGMENT, SEGMENTS = 10_000, 10


class Records:
    """Appends outcomes to segments, and forgets the oldest."""

    def __init__(self, directory: Path, targets: Sequence[str], rate: float, timeout: float) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        for old in directory.glob("*.jsonl"):
            old.unlink()
        self._directory = directory
        self._lock = threading.Lock()
        self._count = 0
        self._file = (directory / f"{0:06}.jsonl").open("a", buffering=1)
        self.start = time.time()
        state = {"start": self.start, "rate": rate, "targets": list(targets), "timeout": timeout}
        (directory / "state.json").write_text(json.dumps(state))

    def add(self, outcome: Outcome) -> None:
        """Append an outcome."""
        with self._lock:
            if self._count and self._count % SEGMENT == 0:
                self._file.close()
                number = self._count // SEGMENT
                self._file = (self._directory / f"{number:06}.jsonl").open("a", buffering=1)
                (self._directory / f"{number - SEGMENTS:06}.jsonl").unlink(missing_ok=True)
            self._count += 1
            self._file.write(json.dumps(asdict(outcome)) + "\n")


@dataclass(frozen=True)
class Window:
    """Sequence numbers, first to last, that were due in a time."""

    first: int
    last: int

    @property
    def size(self) -> int:
        """How many there are."""
        return max(0, self.last - self.first + 1)


def window(since: float, until: float, start: float, rate: float) -> Window:
    """Give the requests that are due from `since` to `until`, when request n is due at start + n / rate.

    >>> window(10.0, 11.0, start=0.0, rate=2.0)
    Window(first=20, last=22)
    """
    # A hair of tolerance: times are sums of fractions.
    return Window(max(0, math.ceil((since - start) * rate - 1e-6)), math.floor((until - start) * rate + 1e-6))


def report(directory: Path, since: float, until: float | None) -> dict[str, Any] | None:
    """Sum up what was due since then; waits for answers that are still to come. None when nothing is being sent."""
    state_file = directory / "state.json"
    state: dict[str, Any] = json.loads(state_file.read_text()) if state_file.is_file() else {}
    if not state.get("rate"):
        return None
    end = time.time() if until is None else until
    since = max(since, state["start"])
    wanted = window(since, end, state["start"], state["rate"])
    expected = dict.fromkeys(map(str, state["targets"]), wanted.size)
    deadline = end + state["timeout"] + 1
    while True:
        found = [outcome for outcome in _outcomes(directory) if wanted.first <= outcome.sequence <= wanted.last]
        if len(found) >= sum(expected.values()) or time.time() > deadline:
            return summary(found, since, end, expected)
        time.sleep(0.2)


def _outcomes(directory: Path) -> list[Outcome]:
    result = []
    for segment in sorted(directory.glob("*.jsonl")):
        try:
            lines = segment.read_text().splitlines(keepends=True)
        except FileNotFoundError:
            continue  # forgotten just now
        # The last line may be being written.
        result += [Outcome(**json.loads(line)) for line in lines if line.endswith("\n")]
    return result
