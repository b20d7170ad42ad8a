# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is kept open until the outermost of several `with` blocks is left."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager


class Outermost(AbstractContextManager[None]):
    """Calls `end` when as many of its `with` blocks were left as were entered; of one thread.

    >>> kept = Outermost(lambda: print("ended"))
    >>> with kept:
    ...     with kept:
    ...         print("inside")
    ...     print("outside")
    inside
    outside
    ended
    """

    def __init__(self, end: Callable[[], None]) -> None:
        self._end = end
        self._entered = 0

    def __enter__(self) -> None:
        self._entered += 1

    def __exit__(self, *_: object) -> None:
        self._entered -= 1
        if not self._entered:
            self._end()
