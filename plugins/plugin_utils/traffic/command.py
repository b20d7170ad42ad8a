# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A stage from what was typed to a verdict: the lease, a look, a plan, the transaction, and what people are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError, unexpected
from ansible_collections.istio_games.workshop.plugins.plugin_utils.images.images import Images
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import Objects
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import labelled
from ansible_collections.istio_games.workshop.plugins.plugin_utils.terminal import cut
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import look, plan, stages, status
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.addressed import addressed
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.arguments import named_services
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.lease import Holder, Lease
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.live import Live, Version, service_record
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.load_client import LoadClient
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.mirror import Mirrors
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.proxies import Proxies
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.records import Record
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.transaction import Cluster, Transaction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.verdict import (
    NOT_PROVEN,
    PROVEN,
    REFUSED,
    TAKEN_BACK,
    Verdict,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.versions import Versions
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.writer import Callee, Writer

SCHEMA = "istio-workshop/stage/1"


@dataclass(frozen=True)
class Asked:
    """What was typed, judged already (arguments.py).

    Attributes:
        service: the services to change, with commas between; None is every one that has stages.
        weight: percent of the requests for the new version, in the stage `rollout`.
        version: the new version's tag, instead of the data's `candidate`.
        takeover: whether routing that somebody else has made or changed may be overwritten.
        anew: whether the stage is that of a service's first walk, whatever has been promoted since.
        records: where the services are to stand, instead of a stage: what was written down of them elsewhere.
    """

    stage: str
    service: str | None = None
    weight: int | None = None
    version: str | None = None
    takeover: bool = False
    anew: bool = False
    records: Mapping[str, Record] = field(default_factory=dict)


@dataclass(frozen=True)
class Surroundings:
    """Where a stage takes place.

    Attributes:
        lease_api: another connection: a thread uses it, while exec and port-forward change the first one's requests.
        services: the application's services, as in `workshop_apps`.
        manifests: the Deployments of their versions, with images by tag.
        images: which image a tag means.
        copies: directory for copies of what is taken over.
        timeout: seconds that the proxies may take.
        room: the room's name, which every object of ours bears.
        student: whose place it is; empty for the room's own.
    """

    api: Api
    lease_api: Api
    namespace: str
    services: Sequence[Mapping[str, Any]]
    manifests: Sequence[Mapping[str, Any]]
    images: Images
    copies: Path
    timeout: float
    room: str
    check_mode: bool
    say: Callable[[str], None]
    student: str = ""


class Command:
    """Leads an application to a stage.

    Attributes:
        diff: what was written, as Ansible shows it.
    """

    def __init__(self, asked: Asked, where: Surroundings) -> None:
        self._asked = asked
        self._where = where
        self._objects = Objects(where.api, where.say)
        self._proxies = Proxies(where.api, where.namespace, where.say)
        staged = stages.staged_services(where.services)
        self._staged = {name: staged[name] for name in named_services(asked.service) or staged}
        self._callees = [Callee(name, int(data["port"]), tuple(data["callers"])) for name, data in self._staged.items()]
        self.diff: list[dict[str, str]] = []
        self._proxy_seconds: dict[str, float] = {}

    def run(self) -> dict[str, Any]:
        """Go there; give the verdict as data (docs/status.md)."""
        where, holder = self._where, Holder.this(f"{self._asked.stage} of {', '.join(self._staged)}")
        lease = Lease(where.lease_api, where.namespace, holder, where.say, where.room)
        with ExitStack() as stack:
            try:
                if not where.check_mode:
                    stack.enter_context(lease.held())
                verdict = self._changed(lambda: None if where.check_mode else lease.check())
            except WorkshopError as error:
                # Nothing has been changed yet: the transaction itself turns errors into its verdict.
                verdict = Verdict(REFUSED, cut(str(error)).splitlines())
        return self._as_data(verdict)

    def _changed(self, permitted: Callable[[], None]) -> Verdict:
        """Look, plan and act; `permitted` raises when nothing may be written any more."""
        where = self._where
        live = Live.read(where.api, self._objects, where.namespace)
        goals = self._goals(live)
        wanted = {Version(goal.service, tag).deployment for goal in goals for tag in goal.tags}
        versions = Versions(
            where.api,
            self._objects,
            where.images,
            where.namespace,
            [labelled(item, where.room) for item in where.manifests if item["metadata"]["name"] in wanted],
            live.deployments,
            where.say,
            check_mode=where.check_mode,
        )
        known = {name: stages.built_tags(data) for name, data in self._staged.items()}
        callers = look.caller_labels(where.api, where.namespace, self._callees)
        planned = plan.plan(goals, live, self._asked.takeover, known, versions.differing(), callers)
        if planned.problems:
            return Verdict(REFUSED, planned.problems)
        writer = Writer(
            self._objects,
            self._proxies,
            self._callees,
            takeover=self._asked.takeover,
            copies=where.copies,
            timeout=where.timeout,
            room=where.room,
            check_mode=where.check_mode,
            permitted=permitted,
        )
        load = LoadClient(where.api, where.namespace, where.say)
        cluster = Cluster(
            versions,
            self._proxies,
            writer,
            load,
            Mirrors(where.api, where.namespace),
            permitted,
            where.say,
        )
        transaction = Transaction(cluster, planned, self._callees)
        if where.check_mode:
            transaction.rehearse()
            transaction.verdict.told.append("Nothing was changed and nothing proved: this is check mode.")
            verdict = transaction.verdict
        else:
            with load.connected(), self._proxies.connected():
                verdict = transaction.run()
        self.diff, self._proxy_seconds = writer.written.diff, writer.written.proxies
        return verdict

    def _goals(self, live: Live) -> list[stages.Goal]:
        """Give each service's goal, or every reason why one makes no sense."""
        if self._asked.records:
            return [stages.goal_of(record, name, self._where.namespace) for name, record in self._asked.records.items()]
        goals, problems = [], []
        for data in self._staged.values():
            first = Record("baseline", str(data["versions"][0]))
            record = first if self._asked.anew else service_record(data, self._where.namespace, live)
            try:
                goals.append(
                    stages.goal(
                        self._asked.stage,
                        data,
                        self._where.namespace,
                        record,
                        weight=self._asked.weight,
                        version=self._asked.version,
                    )
                )
            except stages.StageError as error:
                problems.append(str(error))
        if problems:
            raise WorkshopError("\n".join(problems))
        return goals

    def _as_data(self, verdict: Verdict) -> dict[str, Any]:
        """Put the verdict beside what is there now."""
        where = self._where
        services: list[dict[str, Any]] = []
        try:
            services, _ = look.look(
                where.api, self._objects, self._proxies, where.namespace, self._callees, verdict.checks
            )
        except Exception as error:  # whatever it is: the verdict must not be lost with it
            why = error if isinstance(error, WorkshopError) else unexpected("traffic_stage", error)
            verdict.told.append(f"Where the services stand cannot be seen: {why}")
        data = {
            "schema": SCHEMA,
            "stage": self._asked.stage,
            "student": where.student,
            "namespace": where.namespace,
            "verdict": verdict.verdict,
            "reasons": verdict.reasons,
            "told": verdict.told,
            "did": verdict.did,
            "services": services,
            "trial": verdict.trial,
            "checks": verdict.checks,
            "copies": verdict.copies,
            "requests": (verdict.load or {}).get("targets", {}),
            "lost": verdict.lost,
            "exposed_seconds": verdict.exposed_seconds,
            "proxies": self._proxy_seconds,
            "propagation_ms": round(1000 * max(self._proxy_seconds.values(), default=0)),
            "objects": verdict.changed,
            "next": self._next(verdict, services),
        }
        return dict(addressed(data, where.student))

    def _next(self, verdict: Verdict, services: Sequence[Mapping[str, Any]]) -> str:
        asked = self._asked
        if verdict.verdict in (NOT_PROVEN, TAKEN_BACK) or not services:
            return f"ansible-playbook playbooks/status.yml{status.options(asked.service)}"
        if verdict.verdict == PROVEN:
            return status.next_command(services, status.options(asked.service, asked.version), verdict.copies)
        return ""


def shown(data: Mapping[str, Any]) -> list[str]:
    """Draw a verdict for people: the table, what proves it, why it is not proven, what to type next."""
    lines = ["", *status.table(data["services"]), "", *status.rules(data["services"])] if data["services"] else [""]
    lines += status.proof(data["checks"], data["proxies"], data["copies"], data["requests"])
    lines += data["told"]
    if data["verdict"] != PROVEN:
        lines += ["", f"{data['stage'].replace('_', ' ').capitalize()}: {data['verdict']}.", *data["reasons"]]
        if data["exposed_seconds"] is not None:
            lines.append(
                f"Its routes were in force for {data['exposed_seconds']:g} s; {data['lost']} of the load client's "
                "requests failed from the beginning to the end."
            )
        lines += [f"Done: {'; '.join(data['did'])}."] if data["did"] else []
    return [*lines, *([f"Next: {data['next']}"] if data["next"] else []), ""]
