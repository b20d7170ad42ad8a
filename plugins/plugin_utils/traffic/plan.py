# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what is there to a stage: what to write, deploy and remove, in the order that loses no request.

The order is the same from everywhere, and each step is left out when it is done already. So a run that was killed
half-way is gone on with by the next one, which looks at the cluster and not at the last run.

1. pin        the routes to a version that runs, when new pods are to come and nothing keeps requests from them
2. deploy     the versions of the stage
3. prepare    the subsets of the stage, beside those that carry traffic now
4. route      the stage's routes
5. remove     what other people's routing objects say of the same services (only when that was asked for)
6. retire     the versions that the stage has no use for
7. finish     the subsets: the stage's alone
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.deployments import progress
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import (
    Objects,
    find,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import is_managed
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.app_services import version_label
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import foreign, routes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import (
    Goal,
    destination_rule,
    virtual_service,
)

Item = Mapping[str, Any]


@dataclass(frozen=True)
class Live:
    """What there is: all VirtualServices and DestinationRules, and the application's Deployments."""

    virtual_services: Sequence[Item]
    destination_rules: Sequence[Item]
    deployments: Sequence[Item]
    # What proxies may know of, in all namespaces.
    sidecars: Sequence[Item] = ()

    @classmethod
    def read(cls, api: Api, objects: Objects, namespace: str) -> Live:
        """Read it from the cluster."""
        return cls(
            objects.list("VirtualService"),
            objects.list("DestinationRule"),
            api.items(f"/apis/apps/v1/namespaces/{namespace}/deployments"),
            objects.list("Sidecar"),
        )


@dataclass
class Plan:
    """What is to be done, step by step (see above); empty steps are done already."""

    problems: list[str] = field(default_factory=list)
    pin: list[dict[str, Any]] = field(default_factory=list)
    # The versions that must run, by service, and the Deployments of them that do not yet.
    versions: dict[str, list[str]] = field(default_factory=dict)
    deploy: list[str] = field(default_factory=list)
    prepare: list[dict[str, Any]] = field(default_factory=list)
    route: list[dict[str, Any]] = field(default_factory=list)
    # Other people's objects without our hosts, written after ours: what else they say stays.
    leave: list[dict[str, Any]] = field(default_factory=list)
    remove: list[dict[str, Any]] = field(default_factory=list)
    retire: list[dict[str, str]] = field(default_factory=list)
    finish: list[dict[str, Any]] = field(default_factory=list)


def plan(goals: Sequence[Goal], live: Live, takeover: bool) -> Plan:
    """Plan the way to some services' goals."""
    result = Plan()
    found = [rule for goal in goals for rule in _plan_service(result, goal, live, takeover)]
    result.leave, result.remove = foreign.settled(found)
    return result


def _plan_service(result: Plan, goal: Goal, live: Live, takeover: bool) -> list[foreign.Rule]:
    """Plan the way to one service's goal; give what is not ours and counts for it."""
    service, namespace = goal.service, goal.namespace
    wanted_routes, wanted_subsets = virtual_service(goal), destination_rule(service, namespace, goal.tags)
    current_routes = find(live.virtual_services, wanted_routes)
    current_subsets = find(live.destination_rules, wanted_subsets)
    rules = foreign.rules(service, namespace, live)
    others = [rule for rule in rules if rule.counts]
    result.problems += foreign.refusals(rules, takeover)
    if not takeover:
        recorded = foreign.recorded_specs(current_routes)
        result.problems += [
            sentence
            for item, wanted in ((current_routes, wanted_routes), (current_subsets, wanted_subsets))
            if item and (sentence := foreign.edited(item, wanted["spec"], recorded.get(str(item["kind"]))))
        ]

    running = deployed_tags(service, live.deployments)
    ready = [tag for tag, deployment in running.items() if progress(deployment).done]
    missing = [tag for tag in goal.tags if tag not in ready]
    old = [tag for tag in running if tag not in goal.tags]

    carrying = subsets_in_use(current_routes, current_subsets)
    if missing and ready and (carrying is None or others):
        steady = goal.stable if goal.stable in ready else ready[0]
        pinned = Goal(service, namespace, "baseline", steady, steady)
        result.pin += [
            _with_others(destination_rule(service, namespace, running), current_subsets),
            virtual_service(pinned),
        ]
    result.versions[service] = [*old, *goal.tags]
    result.deploy += [f"{service}-{version_label(tag)}" for tag in missing]

    prepared = _with_others(destination_rule(service, namespace, [*old, *goal.tags]), current_subsets)
    result.prepare.append(prepared)
    result.route.append(wanted_routes)
    result.retire += [
        {"service": service, "subset": version_label(tag), "deployment": f"{service}-{version_label(tag)}"}
        for tag in old
    ]
    if prepared != wanted_subsets:
        result.finish.append(wanted_subsets)
    return others


def deployed_tags(service: str, deployments: Sequence[Item]) -> dict[str, Item]:
    """Give the Deployments of a service's versions, by tag."""
    result = {}
    for deployment in deployments:
        labels = deployment["metadata"].get("labels") or {}
        if labels.get("app") == service and labels.get("version") and is_managed(deployment):
            image = str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])
            result[image.split("@")[0].rpartition(":")[2]] = deployment
    return result


def subsets_in_use(virtual_service: Item | None, destination_rule: Item | None) -> set[str] | None:
    """Name the subsets that routes lead to; None when some request is not kept to a version."""
    if virtual_service is None or destination_rule is None:
        return None
    named = {
        str(subset["name"])
        for subset in (destination_rule.get("spec") or {}).get("subsets") or []
        if (subset.get("labels") or {}) == {"version": subset["name"]}
    }
    found = routes.of_virtual_service(virtual_service)
    used = {subset for route in found for subset, _ in (*route.shares, *route.mirror)}
    # A route for every request, and each destination a subset of one version.
    whole = any(not route.match for route in found) and all(route.shares for route in found)
    return used if whole and used <= named else None


def _with_others(wanted: dict[str, Any], current: Item | None) -> dict[str, Any]:
    """Add the subsets that a DestinationRule has besides: they may carry traffic until the routes are written."""
    subsets = wanted["spec"]["subsets"]
    names = {subset["name"] for subset in subsets}
    kept = [
        dict(subset)
        for subset in ((current or {}).get("spec") or {}).get("subsets") or []
        if subset["name"] not in names
    ]
    merged = sorted([*subsets, *kept], key=lambda subset: str(subset["name"]))
    return {**wanted, "spec": {**wanted["spec"], "subsets": merged}}
