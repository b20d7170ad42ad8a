# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a calling proxy must hold, what it holds, and what it lacks of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.route_effects import as_asked
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.routes import Cluster, Route, described


@dataclass(frozen=True)
class Expectation:
    """What the proxies of a service's callers must hold.

    Attributes:
        service, port: the Service that is called.
        callers: the callers' label `app`.
        routes: the routes, None when they do not matter yet.
        subsets: versions that must be there.
        answering: those of them that must answer: with as many healthy endpoints as there are ready pods, and not none.
        only: the subsets that may be there, None when further ones do not matter.
        first: whether the routes are only the first ones. Behind a trial's stands what was there before, which may be
            somebody else's, and do what is not understood here.
    """

    service: str
    port: int
    callers: tuple[str, ...]
    routes: tuple[Route, ...] | None = None
    subsets: tuple[str, ...] = ()
    answering: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None
    first: bool = False


@dataclass(frozen=True)
class View:
    """What a proxy holds of one service."""

    routes: list[Route] | None
    subsets: dict[str, Cluster]


def difference(expected: Expectation, view: View, ready: Mapping[str, int]) -> str | None:
    """Say what a proxy lacks; None when it holds everything.

    Args:
        ready: the service's ready pods by subset.
    """
    for subset in dict.fromkeys((*expected.subsets, *expected.answering)):
        cluster = view.subsets.get(subset)
        if cluster is None:
            return f"subset {subset} of {expected.service} has no active cluster"
        if subset not in expected.answering:
            continue
        pods = ready.get(subset, 0)
        if not pods or cluster.healthy != pods:
            return (
                f"subset {subset} of {expected.service} has {cluster.healthy} healthy endpoints, for {pods} ready pods"
            )
    extra = sorted(view.subsets.keys() - set(expected.only)) if expected.only is not None else []
    if extra:
        return f"subset {', '.join(extra)} of {expected.service} is still there"
    if expected.routes is not None and not _holds(expected, view.routes or []):
        return f"route of {expected.service} is {described(view.routes or [])}, must be {described(expected.routes)}"
    return None


def _holds(expected: Expectation, held: Sequence[Route]) -> bool:
    asked = expected.routes or ()
    compared = held[: len(asked)] if expected.first else held
    return len(compared) == len(asked) and all(
        replace(one, besides=as_asked(one.besides, other.besides)) == other
        for one, other in zip(compared, asked, strict=True)
    )
