# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Throttles places on its node that take the processors from the others.

A DaemonSet of the room runs it (templates/throttle.yml.j2). It has nothing but Python, and of this collection what it
imports. What a pod's limits were stands on the pod: killed anywhere, it goes on with those that are throttled.
"""

from __future__ import annotations

import http.client
import os
import sys
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import ROOM
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import sleeping, throttling
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.cgroups import (
    Cgroups,
    Since,
    readings,
    ticks,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.in_cluster import Cluster, RefusedError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.resizing import (
    FORBIDDEN,
    GONE,
    NAMESPACES,
    Pods,
    annotations_of,
    told,
)

# How often the node is looked at, and over how many looks it is judged.
LOOK_SECONDS, LOOKS = 2.0, 3
# The part of the node's processors from which on others have to wait.
BUSY = 0.9
# A container that its limit lets stand for this part of the time wants more.
WAITING = 0.5
# The part of the credit for pods that begin with which none may any more, and with which they may again.
NEARLY_NONE, AGAIN = 0.1, 0.5
# How long a place has to want little until it is let go, and how seldom it is looked after until then.
CALM_SECONDS, KEEP_SECONDS = 30.0, 6.0
# What a pod uses before it is asked whose it is, in processor-seconds; how seldom and how often that is asked, and how
# often while others have to wait: pods may come and go without ever using anything.
UNKNOWN_USES, ASK_SECONDS, WALK_SECONDS, BUSY_WALK_SECONDS = 0.5, 4.0, 60.0, 6.0


@dataclass
class Throttled:
    """A place that is throttled, since it was last judged.

    Attributes:
        limited: the UIDs of its pods whose limits are small.
        seconds: how long that is.
        used: what its pods have used, in processor-seconds.
        waited: how long each container had to wait for its limit, in seconds.
        left: for how long it was not looked after.
        held: whether no pod of it can begin.
    """

    limited: set[str] = field(default_factory=set)
    seconds: float = 0.0
    used: float = 0.0
    waited: Since = field(default_factory=Since)
    left: float = 0.0
    held: bool = False


class Node:
    """The places on this node.

    Args:
        cluster: the API.
        cgroups: its pods'.
        name: the node's.
        room: whose places are looked at.
        credits: theirs.
        processors: that the node has.
    """

    def __init__(
        self, cluster: Any, cgroups: Cgroups, name: str, room: str, credits: throttling.Credits, processors: float
    ) -> None:
        self._cluster, self._cgroups, self._name, self._room = cluster, cgroups, name, room
        self._credits, self._processors = credits, processors
        self._starts = throttling.Credits(processors, credits.share / processors, throttling.STARTS_FULL_SECONDS)
        self._pods = Pods(cluster, name)
        self._since, self._busy = Since(), deque[float](maxlen=LOOKS)
        self._unknown: dict[str, float] = {}
        self._coming: set[str] = set()
        self._now = self._walked = 0.0
        self.throttled: dict[str, Throttled] = {}

    def begin(self) -> None:
        """Find the places that are throttled, and whose the pods are."""
        groups = self._cgroups.pods()
        self._since.grown(readings(self._cgroups.used, groups))
        self._walk(groups)
        self._pods.begun.clear()

    def look(self, seconds: float, busy: float) -> None:
        """Count what was used in these seconds, and throttle or let go.

        Args:
            busy: the part of the node's processors that was at work.
        """
        self._now += seconds
        self._busy.append(busy)
        groups = self._cgroups.pods()
        used = self._since.grown(readings(self._cgroups.used, groups), begin=0.0, listed=groups)
        by_place = self._by_place(used)
        self._credits.charge(by_place, seconds)
        # Of who may take the whole node, nothing is counted.
        self._starts.charge(self._begun() if self._credits.share < self._processors else {}, seconds)
        for place in list(self.throttled):
            with told(place):
                self._keep(place, groups, by_place.get(place, 0.0), seconds)
        spent = self._credits.spent() | self._starts.spent()
        for place in spent - self.throttled.keys() if self._all_is_taken() else ():
            with told(place):
                self._throttle(place, by_place.get(place, 0.0) / seconds)

    def _begun(self) -> dict[str, float]:
        """Give what the node did for pods that began; while others have to wait, where some did is asked each time."""
        for place in self._coming if self._all_is_taken() else ():
            with told(place):
                self._pods.of(place)
        begun = {place: number * throttling.START_USES for place, number in self._pods.begun.items() if number}
        self._coming = {*begun}
        self._pods.begun.clear()
        return begun

    def _all_is_taken(self) -> bool:
        return len(self._busy) == LOOKS and sum(self._busy) / LOOKS >= BUSY

    def _by_place(self, used: Mapping[str, float]) -> dict[str, float]:
        """Add up what pods used; who is not known yet is asked for once it has used something."""
        owners = self._pods.owners
        unknown = {uid: self._unknown.get(uid, 0.0) + amount for uid, amount in used.items() if uid not in owners}
        waited = self._now - self._walked
        is_asked = max(unknown.values(), default=0.0) > UNKNOWN_USES and waited >= ASK_SECONDS
        if is_asked or waited >= (BUSY_WALK_SECONDS if self._all_is_taken() else WALK_SECONDS):
            with told(self._room):
                self._walk(used)
        owners, found = self._pods.owners, dict[str, float]()
        for uid, amount in {**used, **unknown}.items():
            if place := owners.get(uid):
                found[place] = found.get(place, 0.0) + amount
        self._unknown = {uid: amount for uid, amount in unknown.items() if uid not in owners}
        return found

    def _walk(self, there: Iterable[str]) -> None:
        """Ask whose the pods are that are there, by their UIDs, and which places are throttled."""
        self._walked, owners = self._now, dict.fromkeys(there, "")
        for namespace in self._namespaces():
            place = namespace["metadata"]["name"]
            try:
                pods = self._pods.of(place)
            except RefusedError as error:
                if error.code not in (FORBIDDEN, GONE):  # one that an older version has made, or that is gone
                    raise
                owners.update((uid, place) for uid in owners if self._pods.owners.get(uid) == place)
                continue
            owners.update((pod["metadata"]["uid"], place) for pod in pods)
            if self._pods.noted(namespace) or any(throttling.LIMITS in annotations_of(pod) for pod in pods):
                self.throttled.setdefault(place, Throttled())
        # All the others are nobody's.
        self._pods.owners = owners

    def _namespaces(self) -> list[dict[str, Any]]:
        selector = f"{ROOM}={self._room},{sleeping.STUDENT}"
        found: list[dict[str, Any]] = self._cluster.items(NAMESPACES, labelSelector=selector)
        return found

    def _throttle(self, place: str, used: float) -> None:
        home = self._home(place)
        if home is None or self._is_worked_on(home):
            self._fill(place)
            return
        took = f"took {used:.1f} of {self._processors:g} processors"
        did = took if place in self._credits.spent() else "began again and again"
        self.throttled[place] = Throttled(self._pods.limit(place, self._credits.share))
        self._tell(
            place, "Throttled",
            f"Its pods {did} while others had to wait: together they may"
            f" take {self._credits.share:.2f} of them until they want less than half of that for"
            f" {CALM_SECONDS:.0f} s.",
        )  # fmt: skip
        # Written down first: killed then, it goes on with a place of which no pod is left.
        self._pods.note(place, sleeping.ago())
        self._hold(place)

    def _hold(self, place: str) -> None:
        """Let no pod begin of a place whose pods come and go too often."""
        throttled = self.throttled[place]
        if not throttled.held and self._starts.has(place, NEARLY_NONE):
            return
        # Again and again: another node lets it go for its own part.
        before, throttled.held = throttled.held, self._pods.hold(place)
        if throttled.held and not before:
            self._tell(
                place, "Held",
                "Its pods came and went, which takes the node's processors, while others had to wait: none begins for"
                f" {AGAIN * self._starts.full_after / 60:.0f} minutes.",
            )  # fmt: skip

    def _keep(self, place: str, groups: Mapping[str, Path], used: float, seconds: float) -> None:
        throttled = self.throttled[place]
        if not throttled.seconds:
            self._waited(place, groups)
        throttled.seconds, throttled.left = throttled.seconds + seconds, throttled.left + seconds
        throttled.used += used
        if throttled.left < KEEP_SECONDS and throttled.limited.issuperset(self._uids(place, groups)):
            return
        throttled.left = 0.0
        home = self._home(place)
        if home is None:
            del self.throttled[place]
        elif self._is_worked_on(home):
            self._let_go(place, home)
            self._fill(place)
        elif throttled.seconds >= CALM_SECONDS and self._is_calm(place, groups):
            self._let_go(place, home)
        else:
            throttled.limited = self._pods.limit(place, self._credits.share)
            if not any(throttling.throttled(home)):
                self._pods.note(place, sleeping.ago())
            self._hold(place)

    def _is_calm(self, place: str, groups: Mapping[str, Path]) -> bool:
        """Tell whether a throttled place has wanted little since it was last judged."""
        throttled = self.throttled[place]
        most, longest = self._credits.share / 2 * throttled.seconds, WAITING * throttled.seconds
        calm = throttled.used < most and self._waited(place, groups) < longest
        throttled.seconds = throttled.used = 0.0
        return calm and (not throttled.held or self._starts.has(place, AGAIN))

    def _fill(self, place: str) -> None:
        """Let a place begin anew."""
        self._credits.fill(place)
        self._starts.fill(place)

    def _uids(self, place: str, groups: Mapping[str, Path]) -> list[str]:
        return [uid for uid in groups if self._pods.owners.get(uid) == place]

    def _waited(self, place: str, groups: Mapping[str, Path]) -> float:
        """Give how long that container of a place waited that did so longest, since this was last asked."""
        pods = [self._cgroups.containers(groups[uid]) for uid in self._uids(place, groups)]
        found = {identity: group for pod in pods for identity, group in pod.items()}
        waited = self.throttled[place].waited.grown(readings(self._cgroups.waited, found), listed=found)
        return max(waited.values(), default=0.0)

    def _let_go(self, place: str, home: Mapping[str, Any]) -> None:
        self._pods.let_go(place)
        if self._pods.noted(home):
            self._pods.note(place, None)
        del self.throttled[place]
        self._credits.fill(place)
        self._tell(place, "Unthrottled", "Its pods may take what they may again.")

    def _home(self, place: str) -> dict[str, Any] | None:
        """Give a place's namespace; None if it is gone, and with it the right to ask."""
        try:
            home: dict[str, Any] = self._cluster.get(f"{NAMESPACES}/{place}")
        except RefusedError as error:
            if error.code != GONE and place in {each["metadata"]["name"] for each in self._namespaces()}:
                raise
            return None
        return home

    def _is_worked_on(self, home: Mapping[str, Any]) -> bool:
        """Tell whether the room itself works on a place: it is not throttled then."""
        noted, left = sleeping.noted(home), sleeping.ago(hours=sleeping.LEFT_HOURS)
        is_made = noted.get("state") == sleeping.MAKING and noted.get(sleeping.SINCE, "") > left
        is_mended = annotations_of(home).get(sleeping.MENDED, "") > sleeping.ago(seconds=sleeping.MENDED_SECONDS)
        held = sleeping.ago(seconds=sleeping.HELD_SECONDS)
        return is_made or is_mended or sleeping.stage_is_at_work(self._cluster, home["metadata"]["name"], held)

    def _tell(self, place: str, reason: str, message: str) -> None:
        """Tell it the place's student, as an event, and the log."""
        print(f"{place}: {reason}. {message}", flush=True)
        now = sleeping.ago()
        event = {
            "apiVersion": "v1", "kind": "Event", "metadata": {"generateName": "throttle-", "namespace": place},
            "involvedObject": {"apiVersion": "v1", "kind": "ResourceQuota", "name": "student", "namespace": place},
            "type": "Warning" if reason == "Throttled" else "Normal", "reason": reason, "message": message,
            "source": {"component": "student-throttle", "host": self._name}, "count": 1,
            "firstTimestamp": now, "lastTimestamp": now,
        }  # fmt: skip
        try:
            self._cluster.create(f"{NAMESPACES}/{place}/events", event)
        except RefusedError as error:
            print(f"{place}: its student is not told: {error}", flush=True)


def main(root: Path, name: str, room: str, share: float) -> None:
    """Look for ever."""
    processors = float(os.cpu_count() or 1)
    credits = throttling.Credits(processors, share)
    node = Node(Cluster(patience=0), Cgroups(root), name, room, credits, processors)
    node.begin()
    before, (total, idle) = time.monotonic(), ticks()
    while True:
        time.sleep(LOOK_SECONDS)
        now, (total_now, idle_now) = time.monotonic(), ticks()
        node.look(now - before, 1 - (idle_now - idle) / max(total_now - total, 1.0))
        before, total, idle = now, total_now, idle_now


if __name__ == "__main__":
    try:
        main(Path(os.environ["CGROUPS"]), os.environ["NODE"], os.environ["ROOM"], float(os.environ["SHARE"]))
    except (OSError, RefusedError, http.client.HTTPException, ValueError) as error:
        sys.exit(f"The node cannot be looked at, and that is tried again: {error}")
