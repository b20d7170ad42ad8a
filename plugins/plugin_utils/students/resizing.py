# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pods of places on one node, whose limits of CPU are made small, and given back.

What they were stands on each pod (throttling.LIMITS), which a student's own may not bear (admission.yml.j2). The
program that works with this (roles/student/files/throttle.py) has nothing but Python: so this imports nothing else.
"""

from __future__ import annotations

import http.client
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import sleeping, throttling
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.in_cluster import RefusedError

NAMESPACES = "/api/v1/namespaces"
FORBIDDEN, GONE, INVALID = 403, 404, 422


class Pods:
    """The pods of places on one node.

    Args:
        cluster: the API; node: its name.

    Attributes:
        owners: whose a pod is, by its UID; of nobody's it is empty.
        begun: how many pods of a place were not known before.
    """

    def __init__(self, cluster: Any, node: str) -> None:
        self._cluster, self._node = cluster, node
        self.owners: dict[str, str] = {}
        self.begun: Counter[str] = Counter()

    def of(self, place: str) -> list[dict[str, Any]]:
        """Give those of one place."""
        here = f"spec.nodeName={self._node}"
        pods: list[dict[str, Any]] = self._cluster.items(f"{NAMESPACES}/{place}/pods", fieldSelector=here)
        uids = {pod["metadata"]["uid"] for pod in pods}
        self.begun[place] += len(uids - self.owners.keys())
        self.owners |= dict.fromkeys(uids, place)
        return pods

    def limit(self, place: str, together: float) -> set[str]:
        """Give the pods of a place limits that keep them below what they may take together; give the UIDs of those.

        Args:
            together: processors.
        """
        pods, done = self.of(place), set()
        # A kubelet resizes none that is ending: so that has to be soon.
        sleeping.hurry(self._cluster, place, pods)
        number = sum(1 for pod in pods for _ in throttling.containers(pod))
        for pod in pods:
            path, text = _path(place, pod), annotations_of(pod).get(throttling.LIMITS)
            had = throttling.remembered(text or "")
            change = throttling.limited(pod, throttling.each_of(number, together), had)
            if pod["metadata"].get("deletionTimestamp"):
                continue
            with told(path):  # one that cannot be changed hides no other
                if change and text is None:
                    limits = {each["name"]: throttling.limit(each) for _, each, _ in throttling.containers(pod)}
                    self._annotate(path, throttling.LIMITS, json.dumps(limits))
                if change:
                    self._cluster.merge_containers(f"{path}/resize", change)
                if all(identity for _, _, identity in throttling.containers(pod)):
                    done.add(pod["metadata"]["uid"])
        return done

    def hold(self, place: str) -> bool:
        """Let no pod of a place begin any more; tell whether that is so now."""
        with _unless_old(place):
            self._cluster.apply(sleeping.quota_path(place, throttling.HELD), sleeping.no_pods(place, throttling.HELD))
            return True
        return False

    def let_go(self, place: str) -> None:
        """Let pods of a place begin, and have the limits that they had; one that cannot keeps its small ones."""
        with _unless_old(place):
            self._cluster.delete(sleeping.quota_path(place, throttling.HELD))
        for pod in self.of(place):
            path, text = _path(place, pod), annotations_of(pod).get(throttling.LIMITS)
            if text is None:
                continue
            had = throttling.remembered(text)
            names = {(part, each["name"]) for part, each, _ in throttling.containers(pod)}
            parts = {(part, name): had[name] for part, name in sorted(names) if name in had}
            try:
                if parts:
                    self._cluster.merge_containers(f"{path}/resize", throttling.resized(parts))
            except RefusedError as error:
                if error.code not in (FORBIDDEN, GONE, INVALID):
                    raise
                print(f"{path} keeps its limits: {error}", flush=True)
            self._annotate(path, throttling.LIMITS, None)

    def note(self, place: str, since: str | None) -> None:
        """Write on a place's namespace since when it is throttled, and on which node."""
        value = f"{since} {self._node}" if since else None
        self._annotate(f"{NAMESPACES}/{place}", throttling.THROTTLED, value)

    def noted(self, namespace: Mapping[str, Any]) -> bool:
        """Tell whether that stands there, of this node."""
        return throttling.throttled(namespace)[1] == self._node

    def _annotate(self, path: str, name: str, value: str | None) -> None:
        """Write an annotation, unless what bears it is gone."""
        try:
            self._cluster.merge_containers(path, {"metadata": {"annotations": {name: value}}})
        except RefusedError as error:
            if error.code != GONE:
                raise


def annotations_of(item: Mapping[str, Any]) -> dict[str, str]:
    """Give an object's annotations."""
    return item["metadata"].get("annotations") or {}


def _path(place: str, pod: Mapping[str, Any]) -> str:
    return f"{NAMESPACES}/{place}/pods/{pod['metadata']['name']}"


@contextmanager
def _unless_old(place: str) -> Iterator[None]:
    """Go on where an older version has made the place, which gives no right to it."""
    try:
        yield
    except RefusedError as error:
        if error.code not in (FORBIDDEN, GONE):
            raise
        print(f"{place}: its pods can begin as they like: {error}", flush=True)


@contextmanager
def told(what: str) -> Iterator[None]:
    """Say what was refused; it is tried again with the next look."""
    try:
        yield
    except (OSError, RefusedError, http.client.HTTPException, ValueError) as error:
        print(f"{what}: tried again: {error}", flush=True)
