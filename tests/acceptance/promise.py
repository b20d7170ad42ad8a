"""What a stage promises, and whether it holds: judged by the cluster, by requests and by the stage's own verdict."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from scipy.stats import binomtest
from tests.acceptance.load_client import count_answers
from tests.acceptance.observer import SERVICES, Observer, Record
from tests.acceptance.play import Played
from tests.acceptance.room import Room, wait_for

STAGES = ("baseline", "dark_launch", "mirror", "rollout", "promote", "rollback")
# The data's: where every service begins, and the version that a stage is about unless one is named.
STABLE, CANDIDATE = "0.1", "0.3"
VERSIONS = {"aleph": ("0.1", "0.2", "0.3"), "beth": ("0.1", "0.3")}
# Fails once it has been sent 20 requests (services/README.md).
BROKEN = ("aleph", "0.2")
# A split that is as it was asked for is called dishonoured once in a million.
FALSE_ALARM_RATE = 1e-6
REQUESTS = 400


def label(version: str) -> str:
    """The pods' label of a version.

    >>> label("0.3")
    'v03'
    """
    return f"v{version.replace('.', '')}"


@dataclass(frozen=True)
class Asked:
    """A stage as somebody types it; empty is left out."""

    stage: str
    service: str = ""
    version: str = ""
    weight: int | None = None

    @property
    def command(self) -> list[str]:
        """The playbook and its arguments."""
        values = {"service": self.service, "version": self.version, "weight": self.weight}
        typed = [
            word for name, value in values.items() if value not in ("", None) for word in ("-e", f"{name}={value}")
        ]
        return [f"playbooks/{self.stage}.yml", *typed]

    @property
    def services(self) -> tuple[str, ...]:
        """Those that it changes."""
        return (self.service,) if self.service else SERVICES


@dataclass(frozen=True)
class Expected:
    """Where a service is after a stage: percent of everybody's requests by version, and which versions run."""

    stage: str
    stable: str
    shares: tuple[tuple[str, int], ...]
    runs: frozenset[str]


def expected(asked: Asked, before: Record) -> Expected | None:
    """Where a service is to be after a stage, given what was recorded before; None if it must be refused."""
    stable, candidate = before.stable or STABLE, asked.version or CANDIDATE
    if asked.stage == "rollback" and before.stage == "promote":
        if not before.previous:
            return None
        stable = before.previous.split(",")[-1]
    alone = frozenset({stable})
    if asked.stage in ("baseline", "rollback"):
        return Expected("baseline", stable, ((stable, 100),), alone)
    if candidate == stable:
        # A promotion can be played again; nothing else leads from a version to itself.
        return Expected("promote", stable, ((stable, 100),), alone) if asked.stage == "promote" else None
    if asked.stage == "promote":
        return Expected("promote", candidate, ((candidate, 100),), frozenset({candidate}))
    weight = (asked.weight or 0) if asked.stage == "rollout" else 0
    shares = tuple((version, share) for version, share in ((stable, 100 - weight), (candidate, weight)) if share)
    return Expected(asked.stage, stable, shares, frozenset({stable, candidate}))


def shortfalls(room: Room, observer: Observer, service: str, wanted: Expected | None) -> list[str]:
    """What is not as it was promised, in words; empty when all is."""
    if wanted is None:
        return [f"{service} was to be refused"]
    found = []
    record = observer.record(service)
    if (record.stage, record.stable) != (wanted.stage, wanted.stable):
        found.append(f"{service} is recorded as {record}, not as {wanted.stage} with {wanted.stable}")
    shares, ready = observer.shares(service), observer.ready(service)
    if shares != {label(version): share for version, share in wanted.shares}:
        found.append(f"{service}'s routes are {shares}, not {dict(wanted.shares)}")
    found += [
        f"{service} {version} has no ready pod" for version in sorted(wanted.runs) if not ready.get(label(version))
    ]
    found += [f"{service} still has {version}" for version in ready if version not in map(label, wanted.runs)]
    return found or _dishonoured(room, service, dict(wanted.shares))


def _dishonoured(room: Room, service: str, shares: dict[str, int]) -> list[str]:
    """Count answers, and judge the split by an exact test."""
    answered, failed = count_answers(room, service, REQUESTS)
    found = [f"{failed} of {REQUESTS} requests to {service} failed"] if failed else []
    strangers = {version: count for version, count in answered.items() if version not in shares}
    total = sum(answered.values())
    if strangers:
        found.append(f"{service}: {strangers} answered, which have no share")
    for version, share in shares.items():
        count = answered.get(version, 0)
        if total and binomtest(count, total, share / 100).pvalue < FALSE_ALARM_RATE:
            found.append(f"{service} {version} answered {count} of {total}, not {share} %")
    return found


def is_settled(observer: Observer, service: str, shares: dict[str, int], alone: set[str] | None = None) -> bool:
    """Whether routes give these shares (percent by version label) to ready versions; `alone`: no others run."""
    ready = observer.ready(service)
    return (
        observer.shares(service) == shares
        and all(ready.get(version) for version in shares)
        and (alone is None or set(ready) == alone)
    )


def verdict(room: Room) -> dict[str, Any]:
    """What the last stage says of itself, as JSON."""
    found: dict[str, Any] = json.loads((room.state / "stage.json").read_text())
    return found


def played(room: Room, asked: Asked, *arguments: str) -> Played:
    """Play a stage that must go well, and hold its verdict against it."""
    done = room.must(*asked.command, *arguments)
    said = verdict(room)
    assert (said["stage"], said["verdict"]) == (asked.stage, "proven"), said
    return done


def has_begun(observer: Observer, service: str) -> bool:
    """Whether a service is at the baseline with 0.1, whole and untouched."""
    record, deployments = observer.record(service), observer.deployments(service)
    if (record.stage, record.stable, observer.shares(service)) != ("baseline", STABLE, {label(STABLE): 100}):
        return False
    http = observer.virtual_service(service)["spec"]["http"]
    if len(http) > 1 or len(http[0]["route"]) > 1 or {"fault", "mirror", "redirect"} & set(http[0]):
        return False
    if set(deployments) != {label(STABLE)} or observer.ready(service) != {label(STABLE): 1}:
        return False
    deployment = deployments[label(STABLE)]
    image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    return bool(image.partition("@")[0].endswith(f":{STABLE}") and deployment["spec"]["replicas"] == 1)


def begin(room: Room, observer: Observer) -> None:
    """Bring both services to the baseline with 0.1 by the fewest plays: none where they are there."""
    # What a test before this one has stopped may still be starting.
    wait_for(lambda: all(all(observer.ready(app).values()) for app in ("front", "load")), 120)
    for service in SERVICES:
        if has_begun(observer, service):
            continue
        for version in observer.deployments(service):
            room.kubectl("scale", "--namespace=staging", f"deployment/{service}-{version}", "--replicas=1")
        ways = [Asked("rollback", service), Asked("promote", service, STABLE), Asked("baseline", service)]
        for way in ways:
            if way.stage == "promote" and observer.record(service).stable == STABLE:
                continue
            room.must(*way.command, "-e", "takeover=true")
            if has_begun(observer, service):
                break
        assert has_begun(observer, service), (observer.record(service), observer.ready(service))
