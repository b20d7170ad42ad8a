# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Puts places to sleep whose time is over, as suspend.yml does.

A CronJob of the room runs it (templates/expiry.yml.j2). It has nothing but Python, and of this collection what it
imports. Killed anywhere it goes on the next time.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import MANAGER, ROOM
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import sleeping

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
REQUEST_SECONDS, PATIENCE_SECONDS, ENDED_SECONDS = 30, 60, 90
# Somebody is at work on a place that is `making`.
AWAKE = ("ready", "failed")


class Cluster:
    """The API of the cluster that this runs in."""

    def __init__(self) -> None:
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
        self._server = f"https://{f'[{host}]' if ':' in host else host}:{port}"
        self._patient_until = time.monotonic() + PATIENCE_SECONDS
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

    def _json(
        self, method: str, path: str, query: Mapping[str, str], body: Any = None, content: str = ""
    ) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self._server}{path}{f'?{urllib.parse.urlencode(query)}' if query else ''}",
            json.dumps(body).encode() if body is not None else None,
            {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}", "Content-Type": content},
            method=method,
        )
        while True:
            try:
                with urllib.request.urlopen(request, timeout=REQUEST_SECONDS, context=self._context) as answer:
                    found: dict[str, Any] = json.load(answer)
                return found
            except urllib.error.HTTPError:
                raise
            except OSError:  # network policies of a new pod take a moment
                if time.monotonic() > self._patient_until:
                    raise
                time.sleep(1)


def expired(cluster: Any, room: str, now: str) -> dict[str, str]:
    """Give the students' places whose time is over, awake and with nobody at work on them: names by namespace."""
    found = {}
    for item in cluster.items("/api/v1/namespaces", labelSelector=f"{ROOM}={room},{sleeping.STUDENT}"):
        noted = sleeping.noted(item)
        ends = noted.get("expires", "")
        # Such times sort as text.
        if noted.get("state") in AWAKE and ends and ends <= now and not item["metadata"].get("deletionTimestamp"):
            found[item["metadata"]["name"]] = item["metadata"]["labels"][sleeping.STUDENT]
    return found


def suspend(cluster: Any, namespace: str, student: str, room: str, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Put one place to sleep; tell whether its pods have ended, without which it is not written down."""
    sleeping.begin(cluster, namespace, student, room)
    for _ in range(ENDED_SECONDS):
        if not cluster.items(f"/api/v1/namespaces/{namespace}/pods"):
            noted = sleeping.noted(cluster.get(f"/api/v1/namespaces/{namespace}"))
            sleeping.note(cluster, namespace, {**noted, "state": sleeping.SUSPENDED, "cause": ""})
            return True
        sleep(1)
    return False


def main(cluster: Any, room: str, now: str) -> int:
    """Put all of them to sleep; one that fails hinders no other, and is tried again the next time."""
    failed = 0
    for namespace, student in expired(cluster, room, now).items():
        try:
            done = suspend(cluster, namespace, student, room)
        except (OSError, ValueError, KeyError) as error:
            told = error.read().decode(errors="replace") if isinstance(error, urllib.error.HTTPError) else ""
            print(f"{student}: its time is over, but it does not sleep: {error} {told}".rstrip(), flush=True)
            failed += 1
        else:
            print(f"{student}: its time is over, {'it sleeps' if done else 'its pods are still ending'}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Cluster(), os.environ["ROOM"], datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")))
