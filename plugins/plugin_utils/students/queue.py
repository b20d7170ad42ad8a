# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Places side by side, a few at once: whoever fails hinders nobody, and people see how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError, unexpected
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.places import Place

Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What became of the work on a place.

    Attributes:
        place: as it is now.
        seconds: how long it took.
        cause: why it failed, in one sentence; else empty.
    """

    place: Place
    seconds: float
    cause: str = ""

    def as_data(self) -> dict[str, Any]:
        """Give it as plain data."""
        state = "failed" if self.cause else self.place.state or "removed"
        return {"name": self.place.name, "state": state, "seconds": round(self.seconds, 1), "cause": self.cause}


def side_by_side(
    there: Sequence[Place],
    work: Callable[[Place, Say], Place],
    at_once: int,
    done: Callable[[Outcome], None],
    say: Say,
    clock: Callable[[], float] = time.monotonic,
) -> list[Outcome]:
    """Work on places, `at_once` of them at a time, and give the outcomes in the places' order.

    Args:
        work: gives the place as it is afterwards, or raises; called in threads, with a way to tell how far it is.
        done: told each outcome when it comes, one at a time.
    """
    begun = clock()

    def one(place: Place) -> Outcome:
        started = clock()
        try:
            after = work(place, lambda text: say(f"{place.name}: {text}"))
        except WorkshopError as error:
            return Outcome(place, clock() - started, " ".join(str(error).split()))
        except Exception as error:  # a fault of ours in one place is no reason to give the others up
            return Outcome(place, clock() - started, unexpected("students", error))
        return Outcome(after, clock() - started)

    outcomes: dict[str, Outcome] = {}
    with ThreadPoolExecutor(max_workers=max(1, at_once)) as pool:
        for future in as_completed([pool.submit(one, place) for place in there]):
            outcome = future.result()
            outcomes[outcome.place.name] = outcome
            done(outcome)
            left = (clock() - begun) / len(outcomes) * (len(there) - len(outcomes))
            said = f"failed: {outcome.cause}" if outcome.cause else outcome.place.state or "removed"
            still = f", about {_duration(left)} left" if len(outcomes) < len(there) else ""
            say(f"{outcome.place.name}: {said} after {outcome.seconds:.0f} s ({len(outcomes)} of {len(there)}{still})")
    return [outcomes[place.name] for place in there]


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
