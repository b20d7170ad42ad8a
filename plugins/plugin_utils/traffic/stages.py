# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each stage of progressive delivery means for one service: versions that run, routes, subsets.

A stage is whole in itself, so that any can follow any other; of the ones before it needs to know only which version is
the stable one (records.py).
The objects are Istio's VirtualService and DestinationRule (https://istio.io/latest/docs/reference/config/networking/).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import API_VERSION
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import MANAGED_BY, MANAGER, PREFIX
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.app_services import version_label
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.records import Record, read_record
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.routes import Route

OWNER_LABELS = {
    MANAGED_BY: MANAGER,
    "app.kubernetes.io/part-of": "traffic",
}

# On a DestinationRule: the names of its subsets as we left them.
SUBSETS = PREFIX + "subsets"

DEVELOPER = "developer"
# One of the cookies is exactly user=developer. Spaces may follow a semicolon, which the often published
# pattern `^(.*?;)?(user=...)(;.*)?$` forgets. RE2 matches the whole header.
DEVELOPER_COOKIE = rf"^(.*;\s*)?user={DEVELOPER}(\s*;.*)?$"
# Methods that change nothing (RFC 9110, section 9.2.1): only their copies are harmless.
SAFE_METHODS = "GET|HEAD|OPTIONS"
# Names the route that was taken, in every answer: front shows whether it was the developer's.
ROUTE_HEADER = "x-workshop-route"
# Leads a stage's own requests to a version that no user has reached yet. Its value is the run's own secret.
TRIAL_HEADER = "x-workshop-trial"


class StageError(WorkshopError):
    """A stage that makes no sense from where a service stands. The message is one sentence for people."""


@dataclass(frozen=True)
class Goal:
    """A stage of one service: `weight` percent of the requests for the candidate, in the stage `rollout`.

    Attributes:
        stable: the tag that users have, and that all stages but `promote` leave them.
        candidate: the tag that the stage leads to; in a rollback the one that is left.
        previous: the stable tags of before `stable`, the last one last.
    """

    service: str
    namespace: str
    stage: str
    stable: str
    candidate: str
    weight: int | None = None
    previous: tuple[str, ...] = ()

    @property
    def recorded_stage(self) -> str:
        """After a rollback a service is where it began."""
        return "baseline" if self.stage == "rollback" else self.stage

    @property
    def tags(self) -> tuple[str, ...]:
        """The versions that run, and have a subset."""
        return {
            "baseline": (self.stable,),
            "promote": (self.candidate,),
        }.get(self.recorded_stage, (self.stable, self.candidate))

    def record(self, before: Record | None = None) -> Record:
        """What is remembered of it; `before`: of what to go back to, until it is proved."""
        promoted = self.stage == "promote" and before is None
        past = self.previous
        if promoted and self.stable != self.candidate:
            # Each version once: what is promoted again is no longer the past.
            past = (*(tag for tag in past if tag not in (self.stable, self.candidate)), self.stable)
        return Record(
            stage=self.recorded_stage,
            stable=self.candidate if promoted else self.stable,
            candidate=None if promoted or self.recorded_stage == "baseline" else self.candidate,
            previous=past,
            weight=self.weight,
            proved=before is None,
            before=before,
        )


def goal_of(record: Record, service: str, namespace: str) -> Goal:
    """Give the goal that a record was made of."""
    stable, candidate, previous = record.stable, record.candidate or record.stable, record.previous
    if record.stage == "promote" and record.proved:
        stable, candidate = (previous[-1] if previous else record.stable), record.stable
        previous = previous[:-1]
    return Goal(service, namespace, record.stage, stable, candidate, record.weight, previous)


def staged_services(services: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Give the services that have stages, by name: those of which the data names a `candidate`."""
    return {str(service["name"]): service for service in services if "candidate" in service}


def goal(
    stage: str,
    data: Mapping[str, Any],
    namespace: str,
    record: Record,
    *,
    weight: int | None = None,
    version: str | None = None,
) -> Goal:
    """Give the goal of a service in a stage that was asked for.

    Args:
        data: the service, as in `workshop_apps`.
        record: where it stands.
        version: the new version's tag, instead of the data's `candidate`.

    Raises:
        StageError: there is nothing to lead users to, or back to.
    """
    service, stable, previous = str(data["name"]), record.stable, record.previous
    candidate = str(version or data["candidate"])
    if stage == "promote" and candidate == stable:
        # The one that is promoted already.
        return Goal(service, namespace, stage, previous[-1] if previous else stable, candidate, None, previous[:-1])
    if stage == "rollback" and record.stage == "promote" and record.proved:
        if not previous:
            raise StageError(
                f"{service} has no version before {stable} to go back to: another one is reached with "
                f"ansible-playbook playbooks/promote.yml -e service={service} -e version={_others(data, stable)[0]}."
            )
        return Goal(service, namespace, stage, previous[-1], stable, None, previous[:-1])
    if stage in ("baseline", "rollback"):
        return Goal(service, namespace, stage, stable, record.candidate or stable, None, previous)
    if candidate == stable:
        others = _others(data, stable)
        raise StageError(
            f"{stable} is the stable version of {service} already, so that there is no new one: name another "
            f"with -e service={service} -e version={others[-1]} (there are {', '.join(others)}), or go back first with "
            "ansible-playbook playbooks/rollback.yml."
        )
    return Goal(service, namespace, stage, stable, candidate, weight if stage == "rollout" else None, previous)


def _others(data: Mapping[str, Any], stable: str) -> list[str]:
    return [tag for tag in built_tags(data) if tag != stable]


def built_tags(data: Mapping[str, Any]) -> list[str]:
    """Name every version of a service that is built."""
    return [str(item["tag"]) for item in data["build"]["versions"]]


def virtual_service(goal: Goal, before: Record | None = None) -> dict[str, Any]:
    """Make the routes of a stage.

    Retries are off: the workshop shows what happens to a request, and a retry would hide it.

    Args:
        before: what to go back to, as long as the stage is not proved.
    """
    stable, candidate = _destination(goal, goal.stable), _destination(goal, goal.candidate)
    everybody: dict[str, Any] = {"name": "everybody", "route": [stable]}
    routes = [everybody]
    if goal.stage == "dark_launch":
        match = [{"headers": {"cookie": {"regex": DEVELOPER_COOKIE}}}]
        routes = [{"name": DEVELOPER, "match": match, "route": [candidate]}, everybody]
    elif goal.stage == "mirror":
        safe = {
            "name": "mirrored",
            "match": [{"method": {"regex": SAFE_METHODS}}],
            "route": [stable],
            "mirror": candidate["destination"],
            "mirrorPercentage": {"value": 100},
        }
        routes = [safe, everybody]
    elif goal.stage == "rollout":
        everybody["route"] = [{**_destination(goal, tag), "weight": share} for tag, share in _split(goal).items()]
    elif goal.stage == "promote":
        everybody["route"] = [candidate]
    spec = {"hosts": [goal.service], "http": [_common(route) for route in routes]}
    return _object("VirtualService", goal.service, goal.namespace, spec, goal.record(before).annotations)


def _common(route: Mapping[str, Any]) -> dict[str, Any]:
    """Add what every route has."""
    return {**route, "headers": {"response": {"set": {ROUTE_HEADER: route["name"]}}}, "retries": {"attempts": 0}}


def checks(goal: Goal) -> list[dict[str, Any]]:
    """Say what a stage does in requests and answers, to be measured: percent by version."""
    stable, candidate = {goal.stable: 100}, {goal.candidate: 100}
    everybody = {
        "promote": candidate,
        "rollout": {tag: share for tag, share in _split(goal).items() if share},
    }.get(goal.stage, stable)
    result = [{"service": goal.service, "name": "everybody", "headers": {}, "expect": everybody}]
    if goal.stage == "dark_launch":
        cookie = {"Cookie": f"user={DEVELOPER}"}
        result.append({"service": goal.service, "name": DEVELOPER, "headers": cookie, "expect": candidate})
    return result


def _split(goal: Goal) -> dict[str, int]:
    weight = goal.weight or 0
    return {goal.stable: 100 - weight, goal.candidate: weight}


def with_trial(virtual_service: Mapping[str, Any], tags: Collection[str], token: str) -> dict[str, Any]:
    """Add routes that lead requests with the header TRIAL_HEADER: TOKEN-TAG to a version, before all others."""
    service, spec = str(virtual_service["metadata"]["name"]), virtual_service["spec"]
    trials = [
        _common(
            {
                "name": f"trial-{version_label(tag)}",
                "match": [{"headers": {TRIAL_HEADER: {"regex": trial_value(token, tag)}}}],
                "route": [{"destination": {"host": service, "subset": version_label(tag)}}],
            }
        )
        for tag in tags
    ]
    return {**virtual_service, "spec": {**spec, "http": [*trials, *spec["http"]]}}


def is_trial(route: Route) -> bool:
    """Tell whether a route is for a stage's own requests alone."""
    return any(name == TRIAL_HEADER for name, _ in route.match)


def without_trials(virtual_service: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out routes that lead a stage's own requests alone."""
    spec = virtual_service.get("spec") or {}
    kept = [
        route
        for route in spec.get("http") or []
        if not any(TRIAL_HEADER in (match.get("headers") or {}) for match in route.get("match") or [])
    ]
    return {**virtual_service, "spec": {**spec, "http": kept} if "http" in spec else spec}


def trial_value(token: str, tag: str) -> str:
    """Give the header's value, which is its own regular expression."""
    return f"{token}-{version_label(tag)}"


def destination_rule(
    service: str, namespace: str, tags: Collection[str], record: Record | None = None
) -> dict[str, Any]:
    """Make the subsets of versions, named as the pods' label `version`; `record`: whose past it remembers."""
    labels = sorted(version_label(tag) for tag in tags)
    notes = {**(record.past if record else {}), SUBSETS: ",".join(labels)}
    return _object("DestinationRule", service, namespace, subsets_spec(service, labels), notes)


def subsets_spec(service: str, labels: Sequence[str]) -> dict[str, Any]:
    """Make a DestinationRule's spec of its subsets' names."""
    return {"host": service, "subsets": [{"name": label, "labels": {"version": label}} for label in labels]}


def _destination(goal: Goal, tag: str) -> dict[str, Any]:
    return {"destination": {"host": goal.service, "subset": version_label(tag)}}


def _object(
    kind: str, name: str, namespace: str, spec: Mapping[str, Any], annotations: Mapping[str, str] | None = None
) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": dict(OWNER_LABELS),
            "annotations": dict(annotations or {}),
        },
        "spec": dict(spec),
    }


def recorded_goal(virtual_service: Mapping[str, Any]) -> Goal | None:
    """Read back what was asked for; None where nobody asked this project."""
    record, metadata = read_record(virtual_service), virtual_service["metadata"]
    return goal_of(record, str(metadata["name"]), str(metadata["namespace"])) if record else None


def is_ours(item: Mapping[str, Any]) -> bool:
    """Tell whether this project has made a routing object."""
    labels = item["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in OWNER_LABELS.items())


def mirrored_deployments(virtual_services: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name the Deployments that get copies alone. Nobody waits for their answers, and mirroring may well break them."""
    goals = [goal for item in virtual_services if (goal := recorded_goal(item))]
    return [f"{goal.service}-{version_label(goal.candidate)}" for goal in goals if goal.stage == "mirror"]


def recorded_versions(virtual_services: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Give the versions that each service's stage runs.

    >>> recorded_versions([virtual_service(Goal("aleph", "staging", "mirror", "0.1", "0.3"))])
    {'aleph': ['0.1', '0.3']}
    """
    found = [(str(item["metadata"]["name"]), read_record(item)) for item in virtual_services]
    return {name: list(record.tags) for name, record in found if record}
