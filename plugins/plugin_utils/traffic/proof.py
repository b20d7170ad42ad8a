# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What proves a stage: a new version's trial, splits of real requests, copies that arrive, steady requests not lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import split
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.live import Version
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.load_client import (
    Check,
    LoadClient,
    Mark,
    losses,
    why,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.mirror import Mirrors, Received
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import (
    TRIAL_HEADER,
    Goal,
    checks,
    trial_value,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.verdict import Verdict


class Proof:
    """Writes into a verdict what the load client and the proxies of mirrored versions say."""

    def __init__(self, load: LoadClient, mirrors: Mirrors, goals: Sequence[Goal], verdict: Verdict) -> None:
        self._load = load
        self._mirrors = mirrors
        self._goals = goals
        self._verdict = verdict
        self._since: Mark | None = None
        self._held: Mark | None = None
        # What the last report has told.
        self._told: list[str] = []

    @property
    def possible(self) -> bool:
        """Whether the load client could be asked."""
        return self._since is not None

    def begin(self, *, needed: bool) -> None:
        """Take the time at the load client: what it has sent from here on must not be lost.

        Args:
            needed: whether the stage may not go on without the load client.
        """
        try:
            self._since = self._load.mark()
        except WorkshopError as error:
            if needed:
                raise
            self._verdict.told.append(f"The load client cannot be asked: {error}")

    def held(self) -> None:
        """Take the time again: every calling proxy holds the stage."""
        if self._since:
            self._held = self._load.mark()

    def trial(self, tried: Sequence[Version], token: str) -> bool:
        """Ask versions that no user has reached yet; whether they are good."""
        self._verdict.trial = self._load.measure([_trial_of(version, token) for version in tried])
        refusals = [
            _refusal(version, each)
            for version, each in zip(tried, self._verdict.trial, strict=True)
            if not _is_good(each)
        ]
        self._verdict.reasons += refusals
        return not refusals

    def prove(self) -> None:
        """Measure, count copies, and ask what became of the steady requests."""
        verdict = self._verdict
        mirrored = {
            goal.service: Version(goal.service, goal.candidate).subset for goal in self._goals if goal.stage == "mirror"
        }
        received = self._mirrors.received(mirrored)
        verdict.checks = self._load.measure([Check(**check) for goal in self._goals for check in checks(goal)])
        verdict.reasons += [f"{check['sentence']}." for check in verdict.checks if not _is_good(check)]
        if mirrored:
            self._count_copies(mirrored, received)
        self.report()

    def again(self, goals: Sequence[Goal]) -> None:
        """Measure where users are after the way back, and what it all has cost."""
        again = self._load.measure([Check(**check) for goal in goals for check in checks(goal)])
        self._verdict.told += [f"Back where it was: {check['sentence']}." for check in again]
        if self._since and not self._since.idle:
            self._verdict.load = self._load.report(self._since, self._held) or self._verdict.load

    def _count_copies(self, mirrored: Mapping[str, str], before: Mapping[str, Received]) -> None:
        sent = {check["service"]: int(check["requests"]) for check in self._verdict.checks}
        counts = self._mirrors.arrived(mirrored, before, sent)
        for service, count in counts.items():
            self._verdict.copies[service] = {"requests": count.requests, "failed": count.failed}
            if count.requests < sent[service]:
                self._verdict.reasons.append(
                    f"{service} {mirrored[service]} received {count.requests} copies of {sent[service]} requests: is "
                    "the mirror in the callers' route, and is the version's pod ready?"
                )

    def report(self) -> None:
        """Ask the load client what it has lost since the beginning; said once, however often it is asked."""
        verdict = self._verdict
        verdict.told = [line for line in verdict.told if line not in self._told]
        if self._since is None:
            verdict.reasons.append("Nothing is known of the requests meanwhile: no load client could be asked.")
        elif self._since.idle:
            self._told = ["No request was sent meanwhile: the load client's rate is 0."]
            verdict.told += self._told
        else:
            verdict.load = self._load.report(self._since, self._held)
            if verdict.load is None:
                verdict.reasons.append(
                    "Nothing is known of the requests meanwhile: the load client began anew while the stage changed."
                )
                return
            services = [goal.service for goal in self._goals]
            lost, told = losses(verdict.load, services)
            told += [
                f"{service} is proved by its split alone: the load client sends it no steady requests."
                for service in services
                if service not in verdict.load["targets"]
            ]
            verdict.reasons += lost
            verdict.told += told
            self._told = told


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
