# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waiting, written once: for conditions, by a deadline of the clock, with patience for what may mend itself.

A wait says what it waits for and why, every few seconds. It ends early only for what cannot mend itself, or has had
its time to: that time counts from when the trouble was first seen. An API server that is silent for a while is no
trouble of what is waited for.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError

POLL_SECONDS = 1.0
# The same state is said again after so long.
SAY_SECONDS = 10.0
# What may mend itself (an image pull during a registry's restart, a first crash) gets this long.
PATIENCE_SECONDS = 30.0
HOPELESS, ONLY_TOLD = 0.0, math.inf
# For a write: istiod judges each object when it is written, and while it restarts, nobody does.
WRITE_SECONDS = 90.0


@dataclass(frozen=True)
class Trouble:
    """What is in the way of something.

    Attributes:
        sentence: for people, without a full stop.
        patience: seconds that it gets to mend itself; HOPELESS, or ONLY_TOLD when it never ends a wait.
        about: the object that has it, such as "pod aleph-v01-x"; with `reason` it tells one trouble from another.
        container: whose log tells more; with `previous`, the log of its run before.
    """

    sentence: str
    patience: float = PATIENCE_SECONDS
    about: str = ""
    reason: str = ""
    container: str | None = None
    previous: bool = False

    @property
    def hopeless(self) -> bool:
        """Waiting longer does not help."""
        return self.patience <= HOPELESS


@dataclass(frozen=True)
class Look:
    """What one look at a thing has found.

    Attributes:
        state: how far it is, in words.
        trouble: what is in its way.
        limit: seconds that somebody else gives it, such as a Job's deadline; None: the wait's own.
    """

    done: bool
    state: str
    trouble: Trouble | None = None
    limit: float | None = None


def unjudged(error: str) -> Look:
    """Give the look at a write that a webhook has not judged (errors.WEBHOOK)."""
    return Look(False, "waiting for istiod, which must judge it first", Trouble(error, ONLY_TOLD))


class WaitError(WorkshopError):
    """What was waited for did not come; who waits says it in its own words.

    Attributes:
        name: the thing that was waited for.
        look: what was last seen of it; None when nothing could be seen.
        trouble: what was in its way.
        late: its time was over; else the trouble ended the wait.
    """

    def __init__(self, name: str, look: Look | None, trouble: Trouble | None, timeout: float, late: bool) -> None:
        after = f" after {timeout:g} s" if late else ""
        words = [look.state if look else "nothing could be seen of it", trouble.sentence if trouble else ""]
        super().__init__(f"{name} is not done{after}: {': '.join(filter(None, words))}")
        self.name, self.look, self.trouble, self.late = name, look, trouble, late


class Waiting:
    """Waits for things in a cluster."""

    def __init__(
        self,
        api: Api,
        say: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._say = say
        self._sleep = sleep
        self._clock = clock

    def until(self, look: Callable[[], Mapping[str, Look]], timeout: float, poll: float = POLL_SECONDS) -> None:
        """Look again and again until all is done; raise WaitError for the first thing that will not be.

        Args:
            look: gives what there is to see, by the name of each thing; an error that it raises ends the wait, unless
                only the API server could not be asked.
            timeout: seconds.
            poll: seconds between two looks.
        """
        begun = looked = self._clock()
        told = _Told(self._say, timeout)
        first: dict[tuple[str, str, str], float] = {}
        seen: dict[str, Look] = {}
        with self._api.until(begun + timeout):
            while True:
                silent = None
                try:
                    seen = dict(look())
                except KubernetesError as error:
                    if not error.transient:
                        raise
                    silent = error
                before, looked = looked, self._clock()
                if silent:
                    # Nothing was seen for so long: no trouble has lasted through it.
                    first = {key: since + looked - before for key, since in first.items()}
                else:
                    told.tell(seen, looked)
                    if all(each.done for each in seen.values()):
                        return
                    first = self._judge(seen, first, looked, timeout)
                left = begun + timeout - looked
                if left <= 0:
                    raise _late(seen, silent, timeout)
                self._sleep(min(poll, left))

    @staticmethod
    def _judge(
        seen: Mapping[str, Look], first: Mapping[tuple[str, str, str], float], now: float, timeout: float
    ) -> dict[tuple[str, str, str], float]:
        """Raise for a trouble that has had its time; give when each was first seen."""
        still: dict[tuple[str, str, str], float] = {}
        for name, each in seen.items():
            trouble = each.trouble
            if each.done or trouble is None:
                continue
            key = (name, trouble.about, trouble.reason)
            still[key] = first.get(key, now)
            if trouble.hopeless or now - still[key] >= trouble.patience:
                raise WaitError(name, each, trouble, timeout, late=False)
        return still


@dataclass
class _Line:
    """What a person was told of a thing last, when, and when it was told of first."""

    first: float
    news: tuple[str, str] = ("", "")
    at: float = 0.0


class _Told:
    """What a person was told."""

    def __init__(self, say: Callable[[str], None], timeout: float) -> None:
        self._say = say
        self._timeout = timeout
        self._lines: dict[str, _Line] = {}

    def tell(self, seen: Mapping[str, Look], now: float) -> None:
        """Say what is new of each thing, and after some seconds what is not."""
        for name, each in seen.items():
            # What is done and was never waited for is no news.
            if each.done and name not in self._lines:
                continue
            line = self._lines.setdefault(name, _Line(now))
            trouble = None if each.done else each.trouble
            # What only explains is how most things begin, and no news.
            news = (each.state, trouble.reason if trouble and trouble.patience < ONLY_TOLD else "")
            again = news == line.news
            if again and (each.done or now - line.at < SAY_SECONDS):
                continue
            limit = self._timeout if each.limit is None else each.limit
            seconds = f", {now - line.first:.0f} of at most {limit:g} s" if again else ""
            why = f": {trouble.sentence}" if trouble and (again or news[1]) else ""
            self._say(f"{name}: {each.state}{seconds}{why}")
            line.news, line.at = news, now


def _late(seen: Mapping[str, Look], silent: KubernetesError | None, timeout: float) -> WaitError:
    name, look = next(((name, each) for name, each in seen.items() if not each.done), ("the cluster", None))
    trouble = Trouble(str(silent).rstrip("."), about="API server") if silent else look.trouble if look else None
    return WaitError(name, look, trouble, timeout, late=True)
