# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Puts places to sleep whose time is over, as suspend.yml does.

A CronJob of the room runs it (templates/expiry.yml.j2). It has nothing but Python, and of this collection what it
imports. Killed anywhere, or refused by the API server, it goes on the next time.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import MANAGER, ROOM
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import sleeping

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
REQUEST_SECONDS, PATIENCE_SECONDS, ENDED_SECONDS = 30, 60, 90
# Longer than a run works on one place, and than a stage lets its Lease be.
LEFT_HOURS, HELD_SECONDS = 1, 60
# An API server that is busy, or begins anew; 409: somebody else wrote at the same time.
CONFLICT, FOR_A_MOMENT = 409, {408, 409, 429, 500, 502, 503, 504}
LEFT = "A run that worked on it was cut short, and its time is over, so it sleeps: type the same command again."


class RefusedError(Exception):
    """What the API server has answered instead of what was asked for."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(f"the API server answers {code}: {said}")
        self.code = code


class Cluster:
    """The API of the cluster that this runs in."""

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
        self._server = f"https://{f'[{host}]' if ':' in host else host}:{port}"
        self._patience = PATIENCE_SECONDS
        self._sleep = sleep
        self._context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """Read an object or a list."""
        return self._json("GET", path, query)

    def items(self, path: str, **query: str) -> list[dict[str, Any]]:
        """Read the objects of a list."""
        return list(self.get(path, **query).get("items") or [])

    def merge(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Change some fields of an object."""
        return self._json("PATCH", path, {}, body, "application/merge-patch+json")

    def apply(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Apply a manifest on the server's side."""
        query = {"fieldManager": MANAGER, "force": "true"}
        return self._json("PATCH", path, query, body, "application/apply-patch+yaml")

    def delete(self, path: str, grace_seconds: int | None = None) -> None:
        """Delete an object; one that is gone already is fine."""
        query = {} if grace_seconds is None else {"gracePeriodSeconds": str(grace_seconds)}
        try:
            self._json("DELETE", path, query)
        except RefusedError as error:
            if error.code != 404:
                raise

    def _json(
        self, method: str, path: str, query: Mapping[str, str], body: Any = None, content: str = ""
    ) -> dict[str, Any]:
        """Ask until there is an answer; once that took too long, each further request is asked once."""
        whole = f"{self._server}{path}{f'?{urllib.parse.urlencode(query)}' if query else ''}"
        data = json.dumps(body).encode() if body is not None else None
        only_this = "resourceVersion" in ((body or {}).get("metadata") or {})
        for second in range(self._patience + 1):
            # The token is replaced now and then.
            headers = {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}", "Content-Type": content}
            request = urllib.request.Request(whole, data, headers, method=method)
            error: Exception
            try:
                with urllib.request.urlopen(request, timeout=REQUEST_SECONDS, context=self._context) as answer:
                    found: dict[str, Any] = json.load(answer)
                return found
            except urllib.error.HTTPError as refused:
                error = RefusedError(refused.code, refused.read().decode(errors="replace"))
                if refused.code not in FOR_A_MOMENT or (refused.code == CONFLICT and only_this):
                    raise error from refused
            # Network policies of a new pod take a moment; an answer may be cut.
            except (OSError, ValueError, http.client.HTTPException) as failed:
                error = failed
            if second < self._patience:
                if second == 0:
                    print(f"{method} {path}: {error}: tried again for {self._patience} s", flush=True)
                self._sleep(1)
        self._patience = 0
        raise error


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
        before = (timedelta(), timedelta(hours=hours), timedelta(hours=LEFT_HOURS), timedelta(seconds=HELD_SECONDS))
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
    if not is_over(item, moment) or _stage_is_at_work(cluster, namespace, moment):
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


def _stage_is_at_work(cluster: Any, namespace: str, moment: Moment) -> bool:
    try:
        leases = cluster.items(f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases")
    except RefusedError:  # a place that an older version has made
        return False
    specs = [lease.get("spec") or {} for lease in leases]
    return any(spec.get("holderIdentity") and (spec.get("renewTime") or "") > moment.held for spec in specs)


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
