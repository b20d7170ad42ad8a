# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A stage as a transaction: look, take the lease, act in the order that loses no request, prove, and only then retire.

A proof that fails takes the routes back. Every end is a `Verdict`, which is data. A run that is killed leaves a record
that is not proved, so that the next one goes on with it or goes back (plan.py, records.py).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError, unexpected
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import label
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.live import Version
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.load_client import LoadClient
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.mirror import Mirrors
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.plan import Plan, Steps
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.proof import Proof
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.proxies import Proxies
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.records import read_record
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import Goal, goal_of, with_trial
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.verdict import (
    NOT_PROVEN,
    REFUSED,
    TAKEN_BACK,
    UNFINISHED,
    Verdict,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.versions import Versions
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.writer import Callee, Writer

# What looks a request up may take so long.
DRAIN_SECONDS = 60.0


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

    def __init__(
        self,
        cluster: Cluster,
        plan: Plan,
        callees: Sequence[Callee],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._reached_at = 0.0
        self._plan = plan
        self._callees = callees
        self.verdict = Verdict()
        self._proof = Proof(cluster.load, cluster.mirrors, self._goals, self.verdict)
        # What of it has been written: routes of the stage's own, the stage's routes, the proof.
        self._took = self._tried = self._reached = self._proved = False
        self._deployed: list[Version] = []

    @property
    def _goals(self) -> list[Goal]:
        return [steps.goal for steps in self._plan.services]

    @property
    def _to_stable(self) -> bool:
        """Whether users are led to the stable version alone: that is never taken back."""
        return all(goal.recorded_stage == "baseline" for goal in self._goals)

    def rehearse(self) -> None:
        """Ask the cluster whether it would take everything, and change nothing (check mode)."""
        steps = self._plan.services
        for each in steps:
            self._cluster.versions.bring(each.deploy)
        self._cluster.writer.write([item for each in steps for item in each.pin])
        self._cluster.writer.write([item for each in steps for item in (each.prepare, each.route)])
        self._cluster.writer.write([], leave=self._plan.leave, remove=self._plan.remove)
        self._count_changes()

    def run(self) -> Verdict:
        """Go there, prove it, and retire what it has no use for, or go back."""
        try:
            # The way back does not depend on the proof of it.
            self._proof.begin(needed=not self._to_stable)
            self._deploy()
            if self._trial():
                self._route()
                self._proof.prove()
            if self.verdict.reasons:
                self._go_back()
            else:
                self._retire()
        except Exception as error:  # whatever it is: users must not be left with a version that nothing proves
            self._fail(error)
        self._count_changes()
        return self.verdict

    def _count_changes(self) -> None:
        changed = (*self._cluster.versions.changed, *self._cluster.writer.written.changed)
        self.verdict.changed = list(dict.fromkeys(changed))

    def _deploy(self) -> None:
        """Pin the routes where needed, and bring the versions that do not answer."""
        pins = [item for steps in self._plan.services for item in steps.pin]
        if pins:
            self._took = True
            self._cluster.writer.write(pins, leave=self._plan.leave, remove=self._plan.remove)
            self._did("kept all requests on the version that runs")
        wanted = [version for steps in self._plan.services for version in steps.deploy]
        if wanted:
            self._cluster.permitted()
            self._cluster.versions.bring(wanted)
            self._did(f"deployed {', '.join(version.deployment for version in wanted)}")
            self._deployed = wanted
            self._cluster.versions.wait(wanted)

    def _answering(self) -> dict[str, list[str]]:
        return {steps.goal.service: [version.subset for version in steps.awaited] for steps in self._plan.services}

    def _trial(self) -> bool:
        """Prepare the subsets, and ask versions that no user has reached yet; whether they are good.

        A version like aleph 0.2, which breaks once it has traffic, breaks here.
        """
        self._cluster.writer.write([steps.prepare for steps in self._plan.services], answering=self._answering())
        on_trial = [steps for steps in self._plan.services if steps.trial]
        if not on_trial or not self._proof.possible:
            return True
        token = secrets.token_hex(8)
        tried = [version for steps in on_trial for version in steps.trial]
        names = ", ".join(f"{version.service} {version.tag}" for version in tried)
        self._cluster.say(f"trial: requests of this stage's own to {names}, before a user's")
        with_trials = [with_trial(steps.before, [version.tag for version in steps.trial], token) for steps in on_trial]
        self._tried = True
        self._cluster.writer.write(with_trials)
        self._did(f"tried {names} with requests of the stage's own")
        return self._proof.trial(tried, token)

    def _route(self) -> None:
        steps = self._plan.services
        self._took = self._reached = True
        self._reached_at = self._clock()
        definitions = [item for each in steps for item in (each.prepare, each.route)]
        before = len(self._cluster.writer.written.changed)
        # Without a subset to go, the proxies hold the stage's own alone.
        exact = all(each.prepare == each.finish for each in steps)
        self._cluster.writer.write(
            definitions,
            leave=self._plan.leave,
            remove=self._plan.remove,
            exact=exact,
            answering=self._answering(),
        )
        if len(self._cluster.writer.written.changed) > before:
            self._did("wrote the stage's routes")
        self._proof.held()

    def _retire(self) -> None:
        """Record the proof; then, and only then, remove what the stage has no use for."""
        steps = self._plan.services
        self._proved = True
        self._cluster.writer.write([each.proved for each in steps])
        retired = [version for each in steps for version in each.retire]
        if retired:
            names = ", ".join(version.deployment for version in retired)
            self._cluster.say(f"retiring {names}: waiting for its last requests")
            with self._cluster.proxies.connected() as proxies:
                proxies.drained(_subsets(retired), [callee.anything for callee in self._callees], DRAIN_SECONDS)
            self._cluster.permitted()
            self._cluster.versions.remove(retired)
            self._did(f"removed {names}")
        self._cluster.writer.write([each.finish for each in steps], exact=True)
        if retired:
            self._proof.report()
            if self.verdict.reasons:
                self.verdict.verdict = NOT_PROVEN
                self.verdict.told.append("The stage's routes stay: the version of before is gone.")

    def _go_back(self) -> None:
        """Write the routes of before, and prove them; nothing is retired."""
        verdict, steps = self.verdict, self._plan.services
        if not self._reached:
            verdict.verdict = REFUSED
            if self._tried:
                self._cluster.writer.write([each.before for each in steps])
            self._give_back()
            verdict.told += [
                f"{version.deployment} is there, without a user: the next stage of {version.service} removes it, "
                f"kubectl --namespace={each.goal.namespace} logs deployment/{version.deployment} shows its log."
                for each in steps
                for version in each.deploy
                if version in each.trial and version in self._deployed
            ]
            return
        steps = [each for each in steps if each.before["spec"] != each.route["spec"]]
        verdict.verdict = NOT_PROVEN
        if self._to_stable or not steps:
            return
        answering = self._bring_back(steps)
        if answering is None:
            return
        verdict.verdict = TAKEN_BACK
        self._cluster.say("the proof failed: going back to the routes of before")
        subsets = [each.prepare for each in steps if answering.get(each.goal.service)]
        self._cluster.writer.write([*subsets, *(each.before for each in steps)], answering=answering)
        self._did("wrote the routes of before again")
        self._give_back()
        verdict.exposed_seconds = round(self._clock() - self._reached_at, 1)
        goals = [
            goal_of(record, each.goal.service, each.goal.namespace)
            for each in steps
            if (record := read_record(each.before))
        ]
        try:
            self._proof.again(goals)
        except WorkshopError as error:
            verdict.told.append(f"Users are back where they were, which could not be measured: {error}")

    def _give_back(self) -> None:
        """Write other people's objects again as they were, if they were taken over."""
        if self._took and self._plan.taken:
            # Not waited for: what the proxies make of them beside ours is their owners' business, as before.
            self._cluster.writer.write([], leave=self._plan.taken)
            self._did(f"wrote {', '.join(map(label, self._plan.taken))} again")

    def _bring_back(self, steps: Sequence[Steps]) -> dict[str, list[str]] | None:
        """Bring those versions that users go back to and that somebody has taken away meanwhile.

        Returns:
            Their subsets by service; None where one does not come up, and the stage's own versions answer: then users
            are better off where they are.
        """
        cluster = self._cluster
        gone = cluster.versions.silent([version for each in steps for version in each.users])
        if not gone:
            return {}
        names = ", ".join(version.deployment for version in gone)
        cluster.say(f"the proof failed, and {names} no longer runs: bringing it back first")
        cluster.permitted()
        try:
            cluster.versions.bring(gone)
            cluster.versions.wait(gone)
        except WorkshopError as error:
            if not cluster.versions.silent([version for each in steps for version in each.awaited]):
                self.verdict.told.append(f"Users stay where this stage has led them, for {names} does not run: {error}")
                return None
            return {}
        self._did(f"brought back {names}")
        return _subsets(gone)

    def _fail(self, error: Exception) -> None:
        """End after an error: back, where routes were written and the cluster lets us."""
        verdict = self.verdict
        verdict.reasons.append(_sentence(error))
        if self._proved:
            verdict.verdict = UNFINISHED
            verdict.told.append("The routes are proved, the rest is not done: the same command goes on with it.")
            return
        verdict.verdict = NOT_PROVEN
        try:
            self._cluster.permitted()
            self._go_back()
        except Exception as second:
            verdict.verdict = NOT_PROVEN
            verdict.told.append(f"Going back did not succeed either: {_sentence(second)}")

    def _did(self, what: str) -> None:
        self.verdict.did.append(what)


def _subsets(versions: Sequence[Version]) -> dict[str, list[str]]:
    """Give the subsets of some versions, by service."""
    found: dict[str, list[str]] = {}
    for version in versions:
        found.setdefault(version.service, []).append(version.subset)
    return found


def _sentence(error: Exception) -> str:
    return str(error) if isinstance(error, WorkshopError) else unexpected("traffic_stage", error)
