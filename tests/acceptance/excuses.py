"""Which lost requests nothing could have answered: each is held against the times in which that was so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tests.acceptance.observer import Outages
from tests.acceptance.own_client import Failure

# How long before a pod counts as gone a request to it may have been sent (beth 0.1 takes 2 s), and how long after it
# is back the proxies may not know.
BEFORE_SECONDS, AFTER_SECONDS = 3.0, 5.0


class Excuse(NamedTuple):
    """A time in which nothing of a backend could answer."""

    backend: str
    begin: float
    end: float


def excuses_of(outages: Outages, apps: Sequence[str], since: float) -> list[Excuse]:
    """The times from `since` on in which a version of one of these apps had no pod that takes requests."""
    return [Excuse(app, outage.begin, outage.end) for app in apps for outage in outages.of(app, since)]


def is_excused(failure: Failure, excuses: Iterable[Excuse]) -> bool:
    """Whether nothing could answer it: while front has no pod, nothing behind it could, either."""
    return any(
        failure.backend == excuse.backend
        and failure.ended >= excuse.begin - BEFORE_SECONDS
        and failure.sent <= excuse.end + AFTER_SECONDS
        for excuse in excuses
    )
