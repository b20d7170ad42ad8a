# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Places side by side, a few at once: whoever fails hinders nobody, and people see how far it is."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError, unexpected
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.places import Place
from ansible_collections.istio_games.workshop.plugins.plugin_utils.terminal import cut
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.addressed import addressed
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.lease import LeaseError

Say = Callable[[str], None]
Found = TypeVar("Found")


class Ended(Protocol):
    """What became of the work on a place."""

    @property
    def seconds(self) -> float:
        """How long it took."""

    @property
    def said(self) -> str:
        """It in a few words."""


End = TypeVar("End", bound=Ended)


# A place takes 10 to 30 s on a machine that can bear it. One that takes longer than this shows one that cannot.
SLOW_SECONDS = 45.0


class Width:
    """How many places are worked on at a time.

    Half as many after one that was slow, and one more after one that was not: additive increase and multiplicative
    decrease, as of TCP's window (RFC 5681, section 3.1).
    """

    def __init__(self, most: int) -> None:
        self.most = self.now = max(1, most)

    def learn(self, seconds: float) -> bool:
        """Take one more place into account; tell whether fewer are worked on from now on."""
        before = self.now
        self.now = max(1, before // 2) if seconds > SLOW_SECONDS else min(self.most, before + 1)
        return self.now < before


@dataclass(frozen=True)
class Outcome:
    """What became of the work on a place of which only the place as it is afterwards counts.

    Attributes:
        place: as it is now.
        seconds: how long it took.
        cause: why it failed, in one sentence; else empty.
        begun: whether it was: the place is not what it was any more.
    """

    place: Place
    seconds: float
    cause: str = ""
    begun: bool = True

    @classmethod
    def of(cls, place: Place, seconds: float, found: Place | Exception) -> Outcome:
        """Judge what the work has given or raised."""
        if isinstance(found, WorkshopError):
            said = addressed(cut(" ".join(str(found).split())), place.student)
            return cls(place, seconds, said, begun=not isinstance(found, LeaseError))
        if isinstance(found, Exception):
            return cls(place, seconds, unexpected("students", found))
        return cls(found, seconds)

    @property
    def said(self) -> str:
        """It in a few words."""
        return f"failed: {self.cause}" if self.cause else self.place.state or "removed"

    def as_data(self) -> dict[str, Any]:
        """Give it as plain data."""
        state = "failed" if self.cause else self.place.state or "removed"
        return {"name": self.place.name, "state": state, "seconds": round(self.seconds, 1), "cause": self.cause}


def side_by_side(
    there: Sequence[Place],
    work: Callable[[Place, Say], Found],
    judge: Callable[[Place, float, Found | Exception], End],
    at_once: int,
    say: Say,
    done: Callable[[End], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> list[End]:
    """Work on places, `at_once` of them at a time at most, and give what became of them in the places' order.

    Fewer at a time where they take long: a machine that is too busy would give up all of them together.

    Args:
        work: called in threads, with a way to tell how far it is. Whatever it raises, the others go on.
        judge: makes an end of a place, its seconds, and what the work has given or raised.
        done: told each end when it comes, one at a time.
    """
    begun = clock()

    def tell(place: Place) -> Say:
        return say if len(there) == 1 else lambda text: say(f"{place.name}: {text}")

    def one(place: Place) -> End:
        started = clock()
        try:
            found: Found | Exception = work(place, tell(place))
        except Exception as error:
            found = error
        return judge(place, clock() - started, found)

    width, left = Width(at_once), deque(there)
    running: dict[Future[End], Place] = {}
    ends: dict[str, End] = {}
    with ThreadPoolExecutor(max_workers=width.most) as pool:
        while left or running:
            while left and len(running) < width.now:
                place = left.popleft()
                running[pool.submit(one, place)] = place
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                place, end = running.pop(future), future.result()
                ends[place.name] = end
                done(end)
                if len(there) > 1:
                    tell(place)(f"{end.said} {_progress(clock() - begun, len(ends), len(there))}")
                if width.learn(end.seconds) and left:
                    say(f"{place.name} took {end.seconds:.0f} s: no more than {width.now} at a time now.")
    return [ends[place.name] for place in there]


def _progress(seconds: float, done: int, number: int) -> str:
    """Say how far all of them are, and when the rest will be done."""
    left = seconds / done * (number - done)
    said = f"{left:.0f} s" if left < 90 else f"{left / 60:.0f} min"
    return f"({done} of {number}{f', about {said} left' if done < number else ''})"
