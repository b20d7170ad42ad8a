"""The workshop's own load client, asked by its documented commands (services/README.md)."""

from __future__ import annotations

import json
import time
from typing import Any

from tests.acceptance.own_client import Failure
from tests.acceptance.room import Room

# A report shows the first failures alone: how often to ask for those that follow.
MOST_REPORTS = 12
# How far this machine's clock and that of the load client's node may be apart: they are one for container nodes.
CLOCKS_SECONDS = 0.1


def load(room: Room, *arguments: str) -> Any:
    """What the load client in the cluster says."""
    command = ("exec", "--namespace=staging", "deployment/load", "--container=load", "--", "python", "-m", "load")
    return json.loads(room.kubectl(*command, *arguments))


def report(room: Room, since: float, until: float | None = None) -> dict[str, Any]:
    """The steady requests that were due in this time, by target."""
    up_to = [f"--until={until:.3f}"] if until is not None else []
    targets: dict[str, Any] = load(room, "report", f"--since={since:.3f}", *up_to)["targets"]
    return targets


def sent_since(room: Room, since: float, rate: float) -> dict[str, Any]:
    """The steady requests that were due since then, by target: as many as at `rate` a second, and none has failed."""
    until = time.time()
    targets = report(room, since, until)
    assert set(targets) == {"aleph", "beth"}
    for name, counted in targets.items():
        assert counted["failed"] == 0, (name, counted["failures"])
        assert counted["missing"] == 0, name
        # Request n is due n / rate seconds after the first, so that of this time at most one is uncertain at each end.
        assert abs(counted["sent"] - rate * (until - since)) <= 2 + CLOCKS_SECONDS * rate, (name, counted["sent"])
        assert sum(counted["versions"].values()) == counted["sent"], (name, "answers that name no version")
    return targets


def count_answers(room: Room, service: str, requests: int) -> tuple[dict[str, int], int]:
    """So many requests of its own to a service: answers by version, and how many failed."""
    counted = load(room, "run", f"--requests={requests}", f"--target={service}=http://{service}/name")
    found = counted["targets"][service]
    return dict(found["versions"]), int(found["failed"])


def load_failures(room: Room, since: float, until: float) -> list[Failure]:
    """The steady requests of this time that were lost; of very many only the first ones."""
    found: set[Failure] = set()
    begin = since
    for _ in range(MOST_REPORTS):
        following = until
        for name, counted in report(room, begin, until).items():
            shown = counted["failures"]
            found |= {Failure(name, each["at"], _ended(each), _reason(each)) for each in shown}
            if counted["failed"] > len(shown) > 0:
                following = min(following, shown[-1]["at"] + 0.001)
        if following >= until:
            break
        begin = following
    return sorted(found, key=lambda each: each.sent)


def _ended(failure: dict[str, Any]) -> float:
    return float(failure["at"]) + float(failure["latency_ms"] or 0) / 1000


def _reason(failure: dict[str, Any]) -> str:
    return str(failure["error"] or f"answered {failure['status']}")
