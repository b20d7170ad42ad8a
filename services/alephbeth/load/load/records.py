"""The serving client's record of what it has sent, on disk: another process reports from it.

A directory holds `state.json` and segments, which are named after the time that they begin at, in seconds since 1970.
Their lines are JSON lists: [TARGET, SEQUENCE, AT] for a request, [TARGET, SEQUENCE, LATENCY, STATUS, ERROR, VERSION]
for what became of it, and [] when no more will be sent.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from load.client import Outcome, Request, request_id
from load.summary import Summary

DIRECTORY = Path(tempfile.gettempdir()) / "load"
# 40 MB at most, well below the 64 MiB of the pod's /tmp: half an hour of 100 requests a second to two targets.
SEGMENT_BYTES, SEGMENTS = 2_000_000, 20
# What a request needs besides its time-out to be recorded.
GRACE_SECONDS = 1.0
POLL_SECONDS = 0.05


class RecordsError(Exception):
    """There is no record of what is asked for. The message is one sentence for people."""


class Records:
    """Appends requests and their outcomes to segments, and forgets the oldest."""

    def __init__(self, directory: Path, targets: Sequence[str], run: str, timeout: float) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        for old in directory.iterdir():
            old.unlink()
        self._directory = directory
        self._lock = threading.Lock()
        self._encode = json.JSONEncoder(separators=(",", ":")).encode
        self._segments: list[Path] = []
        self._begin_segment()
        self.begin = float(self._segments[0].stem)
        state = {"targets": list(targets), "run": run, "timeout": timeout}
        written = directory / "state.new"
        written.write_text(json.dumps(state))
        written.rename(directory / "state.json")

    def sent(self, request: Request) -> None:
        """Record that a request is sent."""
        self._write([request.target, request.sequence, request.at])

    def outcome(self, request: Request, outcome: Outcome) -> None:
        """Record what became of it."""
        answer = [outcome.latency_ms, outcome.status, outcome.error, outcome.version]
        self._write([request.target, request.sequence, *answer])

    def end(self) -> None:
        """Record that no more will be sent: a report need not wait for it."""
        self._write([])

    def _write(self, fields: list[Any]) -> None:
        line = self._encode(fields).encode() + b"\n"
        with self._lock:
            if self._file.tell() > SEGMENT_BYTES:
                self._file.close()
                self._begin_segment()
            self._file.write(line)

    def _begin_segment(self) -> None:
        path = self._directory / f"{time.time():.6f}.jsonl"
        self._file = path.open("ab", buffering=0)
        self._segments.append(path)
        if len(self._segments) > SEGMENTS:
            self._segments.pop(0).unlink()


@dataclass(frozen=True)
class Segment:
    """A segment that is being read. It stays readable when it is forgotten meanwhile."""

    begin: float
    file: BinaryIO

    def lines(self) -> list[list[Any]]:
        """Give what has been added since the last time."""
        whole, _, rest = self.file.read().rpartition(b"\n")
        self.file.seek(-len(rest), os.SEEK_CUR)  # the last line may be being written
        return [json.loads(line) for line in whole.splitlines()]


class Reader:
    """Follows the records of requests that were due from `since` up to, and without, `until`."""

    def __init__(self, directory: Path, since: float, until: float) -> None:
        self.state = read_state(directory)
        self._directory = directory
        self._since, self._until = since, until
        self._segments: dict[str, Segment] = {}
        self._waiting: dict[tuple[str, int], Request] = {}
        self._passed: set[str] = set()
        self.summary = Summary(self.state["targets"])
        self._open()
        begins = [segment.begin for segment in self._segments.values()]
        if since < begins[0]:
            raise RecordsError(
                f"the records begin at {begins[0]:.3f}, but --since is {since:.3f}: "
                f"what was sent before is not known, so type --since={begins[0] + 0.001:.3f} or later"
            )
        # Everything that was due from `since` on is in the segment that had begun last by then, or in a later one.
        for (name, _), (_, following) in itertools.pairwise(list(self._segments.items())):
            if following.begin <= since:
                self._segments[name].file.close()
                del self._segments[name]

    def read(self) -> bool:
        """Read on. Whether all that was due in this time was sent, and has its outcome."""
        self._open()
        for segment in list(self._segments.values()):
            for line in segment.lines():
                self._take(line)
        return self._passed >= set(self.state["targets"]) and not self.summary.missing

    def close(self) -> None:
        """Close the segments."""
        for segment in self._segments.values():
            segment.file.close()

    def _open(self) -> None:
        newest = max(self._segments, default="")
        for path in sorted(self._directory.glob("*.jsonl")):
            if path.name > newest:
                try:
                    self._segments[path.name] = Segment(float(path.stem), path.open("rb"))
                except FileNotFoundError:
                    continue  # forgotten just now

    def _take(self, line: list[Any]) -> None:
        match line:
            case [str(target), int(sequence), float(at)]:
                # A target's requests are recorded in the order in which they are due.
                if at >= self._until:
                    self._passed.add(target)
                elif at >= self._since:
                    name = request_id(self.state["run"], target, sequence)
                    request = self._waiting[target, sequence] = Request(target, sequence, name, at)
                    self.summary.sent(request)
            case [str(target), int(sequence), latency, status, error, version]:
                known = self._waiting.pop((target, sequence), None)
                if known:
                    self.summary.outcome(known, Outcome(latency, status, error, version))
            case []:
                self._passed.update(self.state["targets"])


def read_state(directory: Path) -> dict[str, Any]:
    """Give what the serving client says of itself: its run, its targets, their time-out in seconds."""
    try:
        state: dict[str, Any] = json.loads((directory / "state.json").read_text())
    except FileNotFoundError:
        raise RecordsError("nothing has been sent from here: is `python -m load serve` running?") from None
    return state


def present(directory: Path) -> dict[str, Any]:
    """Tell the time by the clock that the records go by, whose run they are, and since when they are kept."""
    state = read_state(directory)
    begins = [float(path.stem) for path in directory.glob("*.jsonl")]
    return {"now": time.time(), "run": state["run"], "targets": state["targets"], "begin": min(begins)}


def report(directory: Path, since: float, until: float | None = None) -> dict[str, Any]:
    """Sum up what was due from `since` up to `until` (now); waits for answers that are still to come."""
    end = time.time() if until is None else until
    with contextlib.closing(Reader(directory, since, end)) as reader:
        deadline = end + reader.state["timeout"] + GRACE_SECONDS
        while not reader.read() and time.time() < deadline:
            time.sleep(POLL_SECONDS)
        return reader.summary.result(since, end)
