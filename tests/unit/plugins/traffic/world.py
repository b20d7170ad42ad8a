"""A small cluster in memory, whose parts write down what a stage does to them, in order.

Requests go where the routes that are there lead them, so that a proof proves something. Each event may be made to fail,
or to make something else happen: `world.at["deploy aleph-v03"] = ...`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tests.unit.plugins.traffic.conftest import deployment, written

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import label, merged
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import split
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.expectation import Expectation
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.lease import LeaseError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.live import Live, Version
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.load_client import Check, Mark
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.mirror import Received
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.plan import Plan, plan
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.records import read_record
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import (
    Goal,
    destination_rule,
    virtual_service,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.transaction import Cluster, Transaction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.verdict import Verdict
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.writer import Callee, Writer

LOST_LEASE = "The lease staging/workshop-stage is no longer this run's."


def raising(error: BaseException) -> Callable[[], None]:
    """Make an event fail."""

    def fail() -> None:
        raise error

    return fail


class World:
    """Services at their stages, and everything a transaction works with."""

    def __init__(self, *goals: Goal) -> None:
        self.items: dict[str, dict[str, Any]] = {}
        self.deployments: dict[str, dict[str, Any]] = {}
        self.events: list[str] = []
        self.said: list[str] = []
        # What the proxies are waited for at last.
        self.expected: Expectation | None = None
        # What happens at an event, after it was written down and before it takes effect.
        self.at: dict[str, Callable[[], None]] = {}
        # The number of the event at which the run is killed.
        self.kill_at: int | None = None
        # Versions that fail under traffic, "aleph 0.3", and those that no request reaches, whatever the routes say.
        self.broken: set[str] = set()
        self.unreached: set[str] = set()
        # The load client's steady requests: failed ones by service and part; None: it began anew.
        self.lost: dict[str, dict[str, int]] | None = {}
        self.targets: tuple[str, ...] = ("aleph", "beth")
        self.copies: int | None = None
        # How many writes are permitted before the lease is lost.
        self.permitted_writes: int | None = None
        for goal in goals:
            self.put(virtual_service(goal))
            self.put(destination_rule(goal.service, "staging", goal.tags, goal.record()))
            for tag in goal.tags:
                self.deploy(goal.service, tag)
        self.events.clear()

    def happen(self, event: str) -> None:
        if self.kill_at == len(self.events):
            raise KeyboardInterrupt
        self.events.append(event)
        self.at.get(event, lambda: None)()

    def put(self, item: dict[str, Any], manager: str = "istio-workshop") -> None:
        """Set a routing object, as the cluster keeps it."""
        kept = written(copy.deepcopy(item), manager)
        old = self.items.get(label(item))
        kept["metadata"]["resourceVersion"] = str(int(old["metadata"]["resourceVersion"]) + 1 if old else 1)
        self.items[label(item)] = kept

    def deploy(self, service: str, tag: str, ready: int = 1) -> None:
        made = deployment(tag, ready, service)
        self.deployments[made["metadata"]["name"]] = made

    def routes(self, service: str = "aleph") -> dict[str, Any]:
        """The VirtualService's routes, and what is recorded of them."""
        item = self.items[f"VirtualService staging/{service}"]
        return {"spec": item["spec"], "annotations": item["metadata"]["annotations"]}

    def governing(self, service: str) -> str:
        """Somebody else's routes for a service, which the proxies hold instead of its own."""
        others = (
            name
            for name, item in self.items.items()
            if item["kind"] == "VirtualService"
            and item["metadata"]["name"] != service
            and service in item["spec"]["hosts"]
        )
        return next(others, "")

    @property
    def live(self) -> Live:
        kinds = ("VirtualService", "DestinationRule")
        services, rules = ([item for item in self.items.values() if item["kind"] == kind] for kind in kinds)
        return Live(services, rules, list(self.deployments.values()))

    def plan(self, *goals: Goal, takeover: bool = False, changed: Sequence[str] = ()) -> Plan:
        return plan(goals, self.live, takeover, {goal.service: ("0.1", "0.2", "0.3") for goal in goals}, changed)

    def transaction(self, planned: Plan, *, takeover: bool = False, check_mode: bool = False) -> Transaction:
        callees = [Callee(steps.goal.service, 80, ("front", "load")) for steps in planned.services]
        parts: Any = FakeObjects(self), FakeProxies(self), FakeVersions(self), FakeLoad(self), FakeMirrors(self)
        objects, proxies, versions, load, mirrors = parts
        writer = Writer(
            objects,
            proxies,
            callees,
            takeover=takeover,
            check_mode=check_mode,
            permitted=self.permitted,
            clock=lambda: 0.0,
        )
        cluster = Cluster(versions, proxies, writer, load, mirrors, self.permitted, self.said.append)
        return Transaction(cluster, planned, callees)

    def run(self, *goals: Goal, takeover: bool = False) -> Verdict:
        """Go to a stage from where this is."""
        planned = self.plan(*goals, takeover=takeover)
        assert planned.problems == []
        return self.transaction(planned, takeover=takeover).run()

    def permitted(self) -> None:
        if self.permitted_writes == 0:
            raise LeaseError(LOST_LEASE)
        if self.permitted_writes is not None:
            self.permitted_writes -= 1


def described(item: Mapping[str, Any]) -> str:
    """Say in a few words what is written."""
    name, record = item["metadata"]["name"], read_record(item)
    if item["kind"] == "DestinationRule":
        return f"subsets {name} {','.join(subset['name'] for subset in item['spec']['subsets'])}"
    trials = [route["name"] for route in item["spec"].get("http") or [] if route.get("name", "").startswith("trial-")]
    if trials:
        return f"{' '.join(trials)} of {name}"
    if record is None:
        return f"route {label(item)} of somebody"
    stage = f"{record.stage} {record.weight}" if record.weight is not None else record.stage
    return f"route {name} {stage}{'' if record.proved else ', unproved'}"


class FakeObjects:
    """An API server for routing objects: a write names the version that it has read."""

    def __init__(self, world: World) -> None:
        self._world = world

    def list(self, kind: str) -> list[dict[str, Any]]:
        return [copy.deepcopy(item) for item in self._world.items.values() if item["kind"] == kind]

    def write(self, wanted: Mapping[str, Any], live: Mapping[str, Any] | None, dry_run: bool) -> None:
        if not dry_run:
            self._world.happen(described(wanted))
        there = self._world.items.get(label(wanted))
        versions = [item and item["metadata"]["resourceVersion"] for item in (there, live)]
        if versions[0] != versions[1]:
            raise KubernetesError("Somebody else changed the object", 409)
        if not dry_run:
            self._world.put(merged(wanted, live))

    def delete(self, item: Mapping[str, Any], dry_run: bool) -> None:
        if not dry_run:
            self._world.happen(f"delete {label(item)}")
            del self._world.items[label(item)]


class FakeProxies:
    """Calling proxies, which hold at once what was written."""

    def __init__(self, world: World) -> None:
        self._world = world

    @contextmanager
    def connected(self) -> Iterator[FakeProxies]:
        yield self

    def wait(self, expected: Sequence[Expectation], timeout: float, since: float) -> dict[str, float]:
        for each in expected:
            self._world.expected = each
            what = "routes" if each.routes is not None else "subsets"
            only = f", only {','.join(each.only)}" if each.only is not None else ""
            answering = f", {','.join(each.answering)} answering" if each.answering else ""
            self._world.happen(f"held {what} of {each.service}{answering}{only}")
            if each.routes is not None and (other := self._world.governing(each.service)):
                raise WorkshopError(f"After 60 s the proxy of pod front-1 does not hold what it must: {other}.")
        return {"front-1": 0.1}

    def drained(self, subsets: Mapping[str, Sequence[str]], expected: Sequence[Expectation], timeout: float) -> None:
        for service, names in subsets.items():
            self._world.happen(f"drained {service} {','.join(names)}")


class FakeVersions:
    """Deployments, which come up at once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.changed: list[str] = []

    def bring(self, versions: Sequence[Version]) -> None:
        for version in versions:
            self._world.happen(f"deploy {version.deployment}")
            self._world.deploy(version.service, version.tag)
            self.changed.append(f"Deployment staging/{version.deployment}")

    def silent(self, versions: Sequence[Version]) -> list[Version]:
        return [version for version in versions if version.deployment not in self._world.deployments]

    def wait(self, versions: Sequence[Version]) -> None:
        for version in versions:
            self._world.happen(f"up {version.deployment}")

    def remove(self, versions: Sequence[Version]) -> None:
        for version in versions:
            self._world.happen(f"remove {version.deployment}")
            self._world.deployments.pop(version.deployment, None)
            self.changed.append(f"Deployment staging/{version.deployment}")


class FakeLoad:
    """A load client whose requests go where the routes lead."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._now = 100.0

    @contextmanager
    def connected(self) -> Iterator[FakeLoad]:
        self._world.happen("dialogue")
        yield self
        self._world.happen("end of dialogue")

    def mark(self) -> Mark:
        self._world.happen("mark")
        self._now += 1
        return Mark(self._now, "run-1", 90.0, self._world.targets)

    def measure(self, checks: Sequence[Check]) -> list[dict[str, Any]]:
        return [self._measured(check) for check in checks]

    def _measured(self, check: Check) -> dict[str, Any]:
        self._world.happen(f"measure {check.service} for {check.name}")
        counts = {tag: round(share * check.number / 100) for tag, share in self._shares(check).items()}
        failed = sum(number for tag, number in counts.items() if f"{check.service} {tag}" in self._world.broken)
        good = {tag: number for tag, number in counts.items() if f"{check.service} {tag}" not in self._world.broken}
        verdict = split.judge(check.expect, good)
        failures = [{"request_id": "1", "error": "", "status": 500, "explanation": "it said so"}] if failed else []
        return {
            "service": check.service,
            "name": check.name,
            "headers": dict(check.headers),
            "expect": dict(check.expect),
            "latency_ms": {"p50": 1, "p95": 2, "p99": 3},
            "requests": check.number,
            "answered": good,
            "failed": failed,
            "failures": failures,
            "verdict": verdict.verdict,
            "sentence": split.sentence(check.subject, verdict),
        }

    def _shares(self, check: Check) -> dict[str, int]:
        """Follow the routes: percent by tag."""
        item = self._world.items.get(f"VirtualService staging/{check.service}")
        tags = {f"v{tag.replace('.', '')}": tag for tag in ("0.1", "0.2", "0.3")}
        running = [tags[name.rpartition("-")[2]] for name in self._world.deployments if name.startswith(check.service)]
        shares = {tag: 100 // len(running) for tag in running}
        headers = {name.lower(): value for name, value in check.headers.items()}
        for route in item["spec"]["http"] if item else []:
            wanted = (route.get("match") or [{}])[0].get("headers", {})
            if "method" in (route.get("match") or [{}])[0] or all(
                re.fullmatch(rule["regex"], headers.get(name, "")) for name, rule in wanted.items()
            ):
                to = [(each["destination"]["subset"], each.get("weight", 100)) for each in route["route"]]
                shares = {tags[subset]: weight for subset, weight in to if weight}
                break
        if self._world.unreached & {f"{check.service} {tag}" for tag in shares}:
            return {"0.2": 100}
        return shares

    def report(self, since: Mark, held: Mark | None = None) -> dict[str, Any] | None:
        self._world.happen(f"report from {since.now:g}, held {held.now if held else None}")
        if self._world.lost is None:
            return None
        targets = {}
        for name in self._world.targets:
            parts = {"before": 0, "during": 0, "after": 0, **self._world.lost.get(name, {})}
            failed = parts["during"] + parts["after"]
            failures = [{"request_id": "2", "error": "refused", "status": 0}] * failed
            targets[name] = {
                **{part: {"sent": 50, "failed": number} for part, number in parts.items()},
                "sent": 100,
                "failed": failed,
                "missing": 0,
                "failures": failures,
            }
        return {"targets": targets}


class FakeMirrors:
    """Counts the copies that arrive: as many as were sent, unless a test says otherwise."""

    def __init__(self, world: World) -> None:
        self._world = world

    def received(self, subsets: Mapping[str, str]) -> dict[str, Received]:
        return dict.fromkeys(subsets, Received())

    def arrived(
        self, subsets: Mapping[str, str], before: Mapping[str, Received], sent: Mapping[str, int]
    ) -> dict[str, Received]:
        assert before.keys() == subsets.keys()
        for service, subset in subsets.items():
            self._world.happen(f"copies to {service} {subset}")
        return {name: Received(sent[name] if self._world.copies is None else self._world.copies) for name in subsets}
