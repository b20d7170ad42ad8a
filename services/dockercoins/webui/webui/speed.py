"""How fast the counter grows: watched in the background, so that a page costs redis nothing and never waits for it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from statistics import linear_regression

from coin_store import Counters, StoreError

# A worker counts after each second, so that the counter climbs in steps of 1 to 1.4 s: a straight line through many
# readings of ten seconds goes through their middle, where the difference of two readings would show the steps.
SMOOTHED_SECONDS = 10.0
INTERVAL_SECONDS = 0.25
# Older readings are no answer to "now"; the page waits at most for one.
FRESH_SECONDS = 2.0


@dataclass(frozen=True)
class Reading:
    """The counters at a time, in seconds since 1970, and the units a second until then; None of too few readings."""

    now: float
    counters: Counters
    speed: float | None


class Speedometer:
    """The slope of the counter over the last SMOOTHED_SECONDS."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque()

    def add(self, seconds: float, hashes: int) -> float | None:
        """Take a reading (`seconds` by any clock), and return the units a second."""
        points = self._points
        if points and (hashes < points[-1][1] or seconds - points[-1][0] > FRESH_SECONDS):
            points.clear()  # another redis, or a time that nobody watched
        points.append((seconds, hashes))
        while seconds - points[0][0] > SMOOTHED_SECONDS:
            points.popleft()
        # Shorter, it would show how the steps happen to lie.
        if seconds - points[0][0] < SMOOTHED_SECONDS / 2:
            return None
        return max(0.0, linear_regression(*zip(*points, strict=True)).slope)


class Watch:
    """Reads the counters by a thread of its own, from the first question on."""

    def __init__(self, read: Callable[[], Counters]) -> None:
        self._read = read
        self._changed = threading.Condition()
        self._latest: Reading | StoreError | None = None
        self._at = 0.0
        self._thread: threading.Thread | None = None

    def latest(self) -> Reading:
        """Return the newest reading; raise StoreError when the newest try failed or there is none in FRESH_SECONDS."""
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._keep_reading, daemon=True, name="watch")
                self._thread.start()
            if not self._changed.wait_for(self._fresh, FRESH_SECONDS):
                raise StoreError(f"redis has not answered for {FRESH_SECONDS:g} s")
            latest = self._latest
        if isinstance(latest, Reading):
            return latest
        raise StoreError(str(latest))

    def _fresh(self) -> bool:
        return self._latest is not None and time.monotonic() - self._at < FRESH_SECONDS

    def _keep_reading(self) -> None:
        speedometer = Speedometer()
        while True:
            latest: Reading | StoreError
            try:
                counters = self._read()
                latest = Reading(time.time(), counters, speedometer.add(time.monotonic(), counters.hashes))
            except StoreError as error:
                latest = error
            with self._changed:
                self._latest, self._at = latest, time.monotonic()
                self._changed.notify_all()
            time.sleep(INTERVAL_SECONDS)
