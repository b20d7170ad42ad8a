# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A stage as a transaction: look, take the lease, act in the order that loses no request, prove, and only then retire.

A proof that fails takes the routes back. Every end is a `Verdict`, which is data. A run that is killed leaves a record
that is not proved, so that the next one goes on with it or goes back (plan.py, records.py).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import split
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.load_client import (
    Check,
    LoadClient,
    Mark,
    losses,
    why,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.mirror import Mirrors, Received
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.plan import Plan, Version
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.proxies import Proxies
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.records import read_record
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import (
    TRIAL_HEADER,
    Goal,
    checks,
    goal_of,
    trial_value,
    with_trial,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.versions import Versions
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.writer import Callee, Writer

# Ends of a stage: it is reached and proved; it was not begun, or ended before a user's request had another answer; its
# routes were written, and those of before again; its routes stand, without a proof.
PROVEN, REFUSED, TAKEN_BACK, NOT_PROVEN = "proven", "refused", "taken back", "not proven"

# What looks a request up may take so long.
DRAIN_SECONDS = 60.0


@dataclass
class Verdict:
    """What became of a stage (docs/status.md describes its fields).

    Attributes:
        reasons: why it is not proven; a sentence each.
        told: what else people should know.
        did: what was done, in order.
        trial: what versions answered that no user had reached, as `LoadClient.measure` gives it.
        checks: measured splits, likewise.
        copies: requests and failed ones that each service's mirrored version received.
        load: what became of the load client's steady requests; None when it could not tell.
        changed: the objects that were written or deleted.
    """

    verdict: str = PROVEN
    reasons: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    did: list[str] = field(default_factory=list)
    trial: list[dict[str, Any]] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    copies: dict[str, dict[str, int]] = field(default_factory=dict)
    load: dict[str, Any] | None = None
    changed: list[str] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """How many of the load client's requests failed."""
        return sum(int(target["failed"]) for target in (self.load or {}).get("targets", {}).values())


@dataclass(frozen=True)
class Cluster:
    """What a transaction works with, all of one namespace."""

    versions: Versions
    proxies: Proxies
    writer: Writer
    load: LoadClient
    mirrors: Mirrors
    permitted: Callable[[], None]
    say: Callable[[str], None]


class Transaction:
    """Leads services to their goals, as a plan says."""

    def __init__(self, cluster: Cluster, plan: Plan, callees: Sequence[Callee]) -> None:
        self._cluster = cluster
        self._plan = plan
        self._callees = callees
        self.verdict = Verdict()
        self._since: Mark | None = None
        self._held: Mark | None = None
        # What of it has been written: routes of the stage's own, the stage's routes, the proof.
        self._tried = self._reached = self._proved = False

    @property
    def _goals(self) -> list[Goal]:
        return [steps.goal for steps in self._plan.services]

    @property
    def _services(self) -> list[str]:
        return [goal.service for goal in self._goals]

    @property
    def _to_stable(self) -> bool:
        """Whether users are led to the stable version alone: that is never taken back."""
        return all(goal.recorded_stage == "baseline" for goal in self._goals)

    def rehearse(self) -> None:
        """Ask the cluster whether it would take everything, and change nothing (check mode)."""
        for steps in self._plan.services:
            self._cluster.versions.bring(steps.deploy)
        for definitions in self._writes():
            self._cluster.writer.write(definitions)
        self._cluster.writer.write([], remove=self._plan.remove)

    def _writes(self) -> list[list[Any]]:
        steps = self._plan.services
        return [
            [item for each in steps for item in each.pin],
            [item for each in steps for item in (each.prepare, each.route)],
        ]

    def run(self) -> Verdict:
        """Go there, prove it, and retire what it has no use for, or go back."""
        try:
            self._begin()
            self._deploy()
            if self._trial():
                self._route()
                self._prove()
            if self.verdict.reasons:
                self._go_back()
            else:
                self._retire()
        except WorkshopError as error:
            self._fail(error)
        self.verdict.changed = [*self._cluster.versions.changed, *self._cluster.writer.written.changed]
        return self.verdict

    def _begin(self) -> None:
        """Take the time at the load client: what it has sent from here on must not be lost."""
        try:
            self._since = self._cluster.load.mark()
        except WorkshopError as error:
            if not self._to_stable:
                raise
            # The way back does not depend on the proof of it.
            self.verdict.told.append(f"The load client cannot be asked: {error}")

    def _deploy(self) -> None:
        """Pin the routes where needed, and bring the versions that do not answer."""
        pins = [item for steps in self._plan.services for item in steps.pin]
        if pins:
            self._did("kept all requests on the version that runs")
            self._cluster.writer.write(pins)
        wanted = [version for steps in self._plan.services for version in steps.deploy]
        if wanted:
            self._cluster.permitted()
            self._did(f"deployed {', '.join(version.deployment for version in wanted)}")
            self._cluster.versions.bring(wanted)
            self._cluster.versions.wait(wanted)

    def _answering(self) -> dict[str, list[str]]:
        return {steps.goal.service: [version.subset for version in steps.awaited] for steps in self._plan.services}

    def _trial(self) -> bool:
        """Prepare the subsets, and ask versions that no user has reached yet; whether they are good.

        A version like aleph 0.2, which breaks once it has traffic, breaks here.
        """
        self._cluster.writer.write([steps.prepare for steps in self._plan.services], answering=self._answering())
        on_trial = [steps for steps in self._plan.services if steps.trial]
        if not on_trial or self._since is None:
            return True
        token = secrets.token_hex(8)
        tried = [version for steps in on_trial for version in steps.trial]
        names = ", ".join(f"{version.service} {version.tag}" for version in tried)
        self._cluster.say(f"trial: {names} answers requests of this stage's own, before a user's")
        self._did(f"tried {names} with requests of the stage's own")
        with_trials = [with_trial(steps.before, [version.tag for version in steps.trial], token) for steps in on_trial]
        self._tried = True
        self._cluster.writer.write(with_trials)
        results = self._cluster.load.measure([_trial_of(version, token) for version in tried])
        self.verdict.trial = results
        self.verdict.reasons += [
            _refusal(version, each) for version, each in zip(tried, results, strict=True) if not _is_good(each)
        ]
        return not self.verdict.reasons

    def _route(self) -> None:
        steps = self._plan.services
        self._reached = True
        definitions = [item for each in steps for item in (each.prepare, each.route)] + self._plan.leave
        before = len(self._cluster.writer.written.changed)
        # Without a subset to go, the proxies hold the stage's own alone.
        exact = all(each.prepare == each.finish for each in steps)
        self._cluster.writer.write(definitions, remove=self._plan.remove, exact=exact, answering=self._answering())
        if len(self._cluster.writer.written.changed) > before:
            self._did("wrote the stage's routes")
        if self._since:
            self._held = self._cluster.load.mark()

    def _prove(self) -> None:
        """Measure, count copies, and ask what became of the steady requests."""
        verdict, load = self.verdict, self._cluster.load
        mirrored = {
            goal.service: Version(goal.service, goal.candidate).subset for goal in self._goals if goal.stage == "mirror"
        }
        received = self._cluster.mirrors.received(mirrored)
        verdict.checks = load.measure([Check(**check) for goal in self._goals for check in checks(goal)])
        verdict.reasons += [f"{check['sentence']}." for check in verdict.checks if not _is_good(check)]
        if mirrored:
            self._count_copies(mirrored, received)
        self._report()

    def _count_copies(self, mirrored: Mapping[str, str], before: Mapping[str, Received]) -> None:
        sent = {check["service"]: int(check["requests"]) for check in self.verdict.checks}
        counts = self._cluster.mirrors.arrived(mirrored, before, sent)
        for service, count in counts.items():
            self.verdict.copies[service] = {"requests": count.requests, "failed": count.failed}
            if count.requests < sent[service]:
                self.verdict.reasons.append(
                    f"{service} {mirrored[service]} received {count.requests} copies of {sent[service]} requests: is "
                    "the mirror in the callers' route, and is the version's pod ready?"
                )

    def _report(self) -> None:
        """Ask the load client what it has lost since the beginning."""
        verdict = self.verdict
        if self._since is None:
            verdict.reasons.append("Nothing is known of the requests meanwhile: no load client could be asked.")
        elif self._since.idle:
            verdict.told.append("No request was sent meanwhile: the load client's rate is 0.")
        else:
            verdict.load = self._cluster.load.report(self._since, self._held)
            if verdict.load is None:
                verdict.reasons.append(
                    "Nothing is known of the requests meanwhile: the load client began anew while the stage changed."
                )
                return
            lost, told = losses(verdict.load, self._services)
            verdict.reasons += lost
            verdict.told += told

    def _retire(self) -> None:
        """Record the proof; then, and only then, remove what the stage has no use for."""
        steps = self._plan.services
        self._proved = True
        self._cluster.writer.write([each.proved for each in steps])
        retired = [version for each in steps for version in each.retire]
        if retired:
            names = ", ".join(version.deployment for version in retired)
            self._cluster.say(f"retiring {names}: waiting for its last requests")
            subsets: dict[str, list[str]] = {}
            for version in retired:
                subsets.setdefault(version.service, []).append(version.subset)
            with self._cluster.proxies.connected() as proxies:
                proxies.drained(subsets, [callee.anything for callee in self._callees], DRAIN_SECONDS)
            self._cluster.permitted()
            self._cluster.versions.remove(retired)
            self._did(f"removed {names}")
        self._cluster.writer.write([each.finish for each in steps], exact=True)

    def _go_back(self) -> None:
        """Write the routes of before, and prove them; nothing is retired."""
        verdict, steps = self.verdict, self._plan.services
        if not self._reached:
            verdict.verdict = REFUSED
            if self._tried:
                self._cluster.writer.write([each.before for each in steps])
            verdict.told += [
                f"{version.deployment} is there, without a user: the next stage of {version.service} removes it, "
                f"kubectl --namespace={each.goal.namespace} logs deployment/{version.deployment} shows its log."
                for each in steps
                for version in each.deploy
                if version in each.trial
            ]
            return
        steps = [each for each in steps if each.before["spec"] != each.route["spec"]]
        if self._to_stable or not steps:
            verdict.verdict = NOT_PROVEN
            return
        verdict.verdict = TAKEN_BACK
        self._cluster.say("the proof failed: going back to the routes of before")
        self._cluster.writer.write([each.before for each in steps])
        self._did("wrote the routes of before again")
        goals = [
            goal_of(record, each.goal.service, each.goal.namespace)
            for each in steps
            if (record := read_record(each.before))
        ]
        again = self._cluster.load.measure([Check(**check) for goal in goals for check in checks(goal)])
        verdict.told += [f"Back where it was: {check['sentence']}." for check in again]
        if self._since and not self._since.idle:
            verdict.load = self._cluster.load.report(self._since, self._held) or verdict.load

    def _fail(self, error: WorkshopError) -> None:
        """End after an error: back, where routes were written and the cluster lets us."""
        verdict = self.verdict
        verdict.reasons.append(str(error))
        if self._proved:
            verdict.told.append("The routes are proved, the rest is not done: the same command goes on with it.")
            return
        verdict.verdict = NOT_PROVEN
        try:
            self._cluster.permitted()
            self._go_back()
        except WorkshopError as second:
            verdict.told.append(f"Going back did not succeed either: {second}")

    def _did(self, what: str) -> None:
        self.verdict.did.append(what)


def _trial_of(version: Version, token: str) -> Check:
    return Check(version.service, "the trial", {version.tag: 100}, {TRIAL_HEADER: trial_value(token, version.tag)})


def _refusal(version: Version, result: Mapping[str, Any]) -> str:
    """Say how a version failed its trial."""
    said = f"{version.service} {version.tag} was refused before a user's request reached it"
    if result["failed"]:
        return f"{said}: {result['failed']} of {result['requests']} requests on trial failed ({why(result)})."
    return f"{said}: {result['sentence']}."


def _is_good(check: Mapping[str, Any]) -> bool:
    return bool(check["verdict"] == split.HONOURED and not check["failed"])
