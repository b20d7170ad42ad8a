# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far work on many bytes is, said now and then."""

from __future__ import annotations

import time
from collections.abc import Callable

_SAY_EVERY = 15.0  # seconds


class HowFar:
    """Counts bytes, and says every 15 seconds how many of all are done: "compared: 605 of 1795 MB".

    Args:
        doing: what is done to them, as a participle.
        total: bytes that there are, about.
    """

    def __init__(self, doing: str, total: int, say: Callable[[str], None]) -> None:
        self._doing, self._total, self._say = doing, total, say
        self._done, self._told = 0, time.monotonic()

    def add(self, size: int) -> None:
        """So many more are done."""
        self._done += size
        if time.monotonic() > self._told + _SAY_EVERY:
            self._told = time.monotonic()
            self._say(f"{self._doing}: {min(self._done, self._total) / 1e6:.0f} of {self._total / 1e6:.0f} MB")
