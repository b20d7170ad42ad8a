# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each stage of progressive delivery means for one service: versions that run, routes, subsets.

A stage is whole in itself: it says nothing about the one before it, so that any can follow any other.
The objects are Istio's VirtualService and DestinationRule (https://istio.io/latest/docs/reference/config/networking/).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import API_VERSION
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import MANAGED_BY, MANAGER, PREFIX
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.app_services import version_label

STAGES = ("baseline", "dark_launch", "mirror", "rollout", "promote", "rollback")
OWNER_LABELS = {
    MANAGED_BY: MANAGER,
    "app.kubernetes.io/part-of": "traffic",
}
# What was asked for, on the VirtualService itself: one write changes both.
ANNOTATION = PREFIX

DEVELOPER = "developer"
# One of the cookies is exactly user=developer. Spaces may follow a semicolon, which the often published
# pattern `^(.*?;)?(user=...)(;.*)?$` forgets. RE2 matches the whole header.
DEVELOPER_COOKIE = rf"^(.*;\s*)?user={DEVELOPER}(\s*;.*)?$"
# Methods that change nothing (RFC 9110, section 9.2.1): only their copies are harmless.
SAFE_METHODS = "GET|HEAD|OPTIONS"
# Names the route that was taken, in every answer: front shows whether it was the developer's.
ROUTE_HEADER = "x-workshop-route"


@dataclass(frozen=True)
class Goal:
    """A stage of one service: `weight` percent of the requests for the candidate, in the stage `rollout`."""

    service: str
    namespace: str
    stage: str
    stable: str
    candidate: str
    weight: int | None = None

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

    @property
    def record(self) -> dict[str, str]:
        """What was asked for, as annotations."""
        values = {"stage": self.recorded_stage, "versions": ",".join(self.tags)}
        if self.weight is not None:
            values["weight"] = str(self.weight)
        return {ANNOTATION + name: value for name, value in values.items()}


def problems(
    stage: Any, service: Any, weight: Any, version: Any, takeover: Any, services: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Judge what somebody typed; a sentence for each mistake.

    Args:
        stage: a name of STAGES.
        service: the one service to change; empty or None for all.
        weight: percent for the new version, None when it was not given; only the stage `rollout` takes one.
        version: the new version's tag, instead of the data's `candidate`; empty or None for that.
        takeover: whether routing that somebody else changed may be overwritten; true or false.
        services: an application's services; those with a `candidate` have stages.
    """
    staged = staged_services(services)
    if not staged:
        return [
            "This application has no service with a `candidate`, so it has no stages: type -e workshop_app=alephbeth."
        ]
    found = []
    if stage not in STAGES:
        found.append(f"stage is {stage!r}, but must be one of: {', '.join(STAGES)}: for example -e stage=mirror.")
    if service and service not in staged:
        found.append(
            f"service is {str(service)!r}, but must be one of: {', '.join(staged)}: "
            f"for example -e service={next(iter(staged))}."
        )
    if stage == "rollout":
        found += _weight_problems(weight)
    elif weight is not None:
        found.append(
            f"weight is {weight!r}, but the stage {stage} takes none: leave it out, "
            f"or type ansible-playbook rollout.yml -e weight={weight}."
        )
    if str(takeover).lower() not in ("true", "false"):
        found.append(f"takeover is {str(takeover)!r}, but must be true or false: for example -e takeover=true.")
    if version and (not service or service in staged):
        for name in [service] if service else staged:
            found += _version_problems(str(version), staged[name])
    return found


def _weight_problems(weight: Any) -> list[str]:
    if weight is None:
        return ["weight is missing: type -e weight=50 to send half of the requests to the new version (0 to 100)."]
    if isinstance(weight, bool) or not re.fullmatch(r"[0-9]{1,3}", str(weight)) or int(weight) > 100:
        return [
            f"weight is {str(weight)!r}, but must be a whole number from 0 to 100 (percent): for example -e weight=50."
        ]
    return []


def _version_problems(version: str, service: Mapping[str, Any]) -> list[str]:
    stable = str(service["versions"][0])
    others = [str(item["tag"]) for item in service["build"]["versions"] if str(item["tag"]) != stable]
    if version in others:
        return []
    return [
        f"version is {version!r}, but for {service['name']} must be one of: {', '.join(others)} "
        f"({stable} is the stable one): for example -e service={service['name']} -e version={others[-1]}."
    ]


def staged_services(services: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Give the services that have stages, by name: those of which the data names a `candidate`."""
    return {str(service["name"]): service for service in services if "candidate" in service}


def goals(
    stage: str,
    service: str | None,
    weight: Any,
    version: str | None,
    services: Sequence[Mapping[str, Any]],
    namespace: str,
) -> list[Goal]:
    """Give the goal of each service that is to change; what was typed must have no `problems`."""
    return [
        Goal(
            service=name,
            namespace=namespace,
            stage=stage,
            stable=str(data["versions"][0]),
            candidate=str(version or data["candidate"]),
            weight=int(weight) if stage == "rollout" else None,
        )
        for name, data in staged_services(services).items()
        if not service or name == service
    ]


def virtual_service(goal: Goal) -> dict[str, Any]:
    """Make the routes of a stage.

    Retries are off: the workshop shows what happens to a request, and a retry would hide it.
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
    return _object("VirtualService", goal.service, goal.namespace, spec, goal.record)


def _common(route: Mapping[str, Any]) -> dict[str, Any]:
    """Add what every route has."""
    return {**route, "headers": {"response": {"set": {ROUTE_HEADER: route["name"]}}}, "retries": {"attempts": 0}}


def checks(goal: Goal) -> list[dict[str, Any]]:
    """Say what a stage does in requests and answers, as `split_check` measures it: percent by version."""
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


def destination_rule(service: str, namespace: str, tags: Collection[str]) -> dict[str, Any]:
    """Make the subsets of versions, named as the pods' label `version`."""
    labels = sorted(version_label(tag) for tag in tags)
    subsets = [{"name": label, "labels": {"version": label}} for label in labels]
    return _object("DestinationRule", service, namespace, {"host": service, "subsets": subsets})


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
    metadata = virtual_service["metadata"]
    annotations = metadata.get("annotations") or {}
    stage, versions = annotations.get(ANNOTATION + "stage"), str(annotations.get(ANNOTATION + "versions", ""))
    if stage not in STAGES or not versions:
        return None
    tags = versions.split(",")
    weight = str(annotations.get(ANNOTATION + "weight", ""))
    return Goal(
        str(metadata["name"]),
        str(metadata["namespace"]),
        str(stage),
        tags[0],
        tags[-1],
        int(weight) if weight.isdigit() else None,
    )


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
    found = [(str(item["metadata"]["name"]), recorded_goal(item)) for item in virtual_services]
    return {name: list(goal.tags) for name, goal in found if goal}
