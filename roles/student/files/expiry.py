# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Puts places to sleep whose time is over, as suspend.yml does.

A CronJob of the room runs it (templates/expiry.yml.j2). It has nothing but Python, and of this collection what it
imports. Killed anywhere, or refused by the API server, it goes on the next time.
"""

from __future__ import annotations

import http.client
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import ROOM
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import sleeping
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.in_cluster import (
    CONFLICT,
    Cluster,
    RefusedError,
)

ENDED_SECONDS = 90
LEFT = "A run that worked on it was cut short, and its time is over, so it sleeps: type the same command again."


@dataclass(frozen=True)
class Moment:
    """The times by which places are judged, as text (RFC 3339, UTC).

    Attributes:
        unclaimed: a place made before, to which nobody has got a kubeconfig yet, has had its time.
        left: whoever was at work on a place since before is not there any more.
        held: likewise for a stage.
    """

    now: str
    unclaimed: str
    left: str
    held: str

    @classmethod
    def at(cls, now: datetime, hours: float) -> Moment:
        """Give those of a time, in a room whose kubeconfigs are good for so many hours."""
        left, held = timedelta(hours=sleeping.LEFT_HOURS), timedelta(seconds=sleeping.HELD_SECONDS)
        before = (timedelta(), timedelta(hours=hours), left, held)
        return cls(*((now - each).strftime(sleeping.TIME) for each in before))


def is_over(namespace: Mapping[str, Any], moment: Moment) -> bool:
    """Tell whether a place's time is over, and it does not sleep, and nobody is at work on it."""
    noted = sleeping.noted(namespace)
    state, made, ends = (noted.get(name, "") for name in ("state", "made", "expires"))
    over = ends <= moment.now if ends else "" < made <= moment.unclaimed
    if not over or namespace["metadata"].get("deletionTimestamp"):
        return False
    if state == sleeping.MAKING:
        return (noted.get(sleeping.SINCE) or made) <= moment.left
    if state == sleeping.SUSPENDED:
        return bool(noted.get("cause"))  # half asleep
    return state in ("ready", sleeping.FAILED)


def expired(cluster: Any, room: str, moment: Moment) -> dict[str, str]:
    """Give the students' places that are to be put to sleep: names by namespace."""
    selector = f"{ROOM}={room},{sleeping.STUDENT}"
    return {
        item["metadata"]["name"]: item["metadata"]["labels"][sleeping.STUDENT]
        for item in cluster.items("/api/v1/namespaces", labelSelector=selector)
        if is_over(item, moment)
    }


def begin(cluster: Any, namespace: str, student: str, room: str, moment: Moment) -> dict[str, str] | None:
    """Let no pod of a place run any more, unless somebody was quicker; give what its namespace bears of it then."""
    item = cluster.get(f"/api/v1/namespaces/{namespace}")
    if not is_over(item, moment) or sleeping.stage_is_at_work(cluster, namespace, moment.held):
        return None
    noted = sleeping.noted(item)
    if noted.pop(sleeping.LEFT, "") and not sleeping.running(cluster, namespace):
        return None  # it sleeps, unless goto.yml has put it right since
    if not _is_left(noted):
        noted = {**noted, "state": sleeping.SUSPENDED, "cause": sleeping.GOING}
    sleeping.note(cluster, namespace, noted, item["metadata"].get("resourceVersion", ""))
    sleeping.begin(cluster, namespace, student, room)
    return noted


def end(cluster: Any, namespace: str, begun: Mapping[str, str]) -> bool:
    """Write down that a place sleeps; tell whether nobody has gone to work on it meanwhile."""
    item = cluster.get(f"/api/v1/namespaces/{namespace}")
    if sleeping.noted(item) != begun:
        return False
    asleep = {"state": sleeping.SUSPENDED, "cause": ""}
    if _is_left(begun):
        cause = begun.get("cause", "") if begun["state"] == sleeping.FAILED else LEFT
        asleep = {"state": sleeping.FAILED, "cause": cause, sleeping.LEFT: "yes"}
    sleeping.note(cluster, namespace, {**begun, **asleep}, item["metadata"].get("resourceVersion", ""))
    return True


def _is_left(noted: Mapping[str, str]) -> bool:
    """Tell whether a place was never whole: that it is suspended would say that it only has to be woken."""
    return noted.get("state") == sleeping.MAKING or not noted.get("expires")


def _ending(cluster: Any, namespace: str) -> list[dict[str, Any]]:
    """Give a place's pods that have not ended, none of which takes its time."""
    pods = sleeping.running(cluster, namespace)
    sleeping.hurry(cluster, namespace, pods)
    return pods


class Night:
    """The places that are put to sleep at one time; one that fails hinders no other, and is tried again the next time.

    Attributes:
        failed: how many did.
    """

    def __init__(self, cluster: Any, room: str, moment: Moment) -> None:
        self._cluster, self._room, self._moment = cluster, room, moment
        self._begun: dict[str, tuple[str, dict[str, str]]] = {}
        self.failed = 0

    def begin(self) -> None:
        """Let none of their pods run any more: of all, before any is waited for."""
        for namespace, student in expired(self._cluster, self._room, self._moment).items():
            what = (self._cluster, namespace, student, self._room, self._moment)
            if noted := self._tried(student, begin, *what):
                self._begun[namespace] = (student, noted)

    def look(self) -> bool:
        """Write down which of them have ended; tell whether all have."""
        for namespace, (student, noted) in list(self._begun.items()):
            pods = self._tried(student, _ending, self._cluster, namespace)
            if pods:
                continue
            del self._begun[namespace]
            if pods is not None and (done := self._tried(student, end, self._cluster, namespace, noted)) is not None:
                _say(student, "it sleeps" if done else "somebody else has gone to work on it")
        return not self._begun

    def leave(self) -> None:
        """Name those that have not ended."""
        for student, _ in self._begun.values():
            _say(student, "its pods are still ending")

    def _tried(self, student: str, what: Callable[..., Any], *given: Any) -> Any:
        """Do something with one place; None if that has failed."""
        try:
            return what(*given)
        except Exception as error:
            if getattr(error, "code", None) == CONFLICT:
                _say(student, "somebody else works on it at this moment")
            else:
                _say(student, f"it does not sleep, and is tried again the next time: {error}")
                self.failed += 1
        return None


def main(cluster: Any, room: str, moment: Moment, sleep: Callable[[float], None] = time.sleep) -> int:
    """Put all of them to sleep."""
    night = Night(cluster, room, moment)
    night.begin()
    for _ in range(ENDED_SECONDS):
        if night.look():
            break
        sleep(1)
    night.leave()
    return 1 if night.failed else 0


def _say(student: str, what: str) -> None:
    print(f"{student}: its time is over, {what}", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(Cluster(), os.environ["ROOM"], Moment.at(datetime.now(UTC), float(os.environ["HOURS"]))))
    except (OSError, RefusedError, http.client.HTTPException, ValueError) as error:
        sys.exit(f"Whose time is over cannot be seen, and is looked for again the next time: {error}")
