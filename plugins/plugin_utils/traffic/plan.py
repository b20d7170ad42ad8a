# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what is there to a stage: what to write, deploy and remove, in the order that loses no request.

The order is the same from everywhere, and each step is left out when it is done already. So a run that was killed
half-way is gone on with by the next one, which looks at the cluster and not at the last run.

1. pin        the routes to a version that runs, when new pods are to come and nothing keeps requests from them, or when
              other people's routing objects govern: those are taken over with it (only when that was asked for)
2. deploy     the versions of the stage that do not run as they were left: gone, scaled to 0, another image, not ready
3. prepare    the subsets of the stage, beside those that carry traffic now
4. trial      the versions that no user has reached yet, by requests of the stage's own
5. route      the stage's routes, with what to go back to
6. prove      that the requests go where they must, and that none was lost; else the routes of before are written back
7. retire     the versions that the stage has no use for
8. finish     the subsets: the stage's alone
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import API_VERSION, find, label
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import is_managed
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.app_services import version_label
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import foreign, routes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.live import (
    Live,
    Version,
    answers,
    deployed_tags,
    is_edited,
    is_same,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.records import Record, read_past, read_record
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import (
    SUBSETS,
    Goal,
    checks,
    destination_rule,
    goal_of,
    is_ours,
    is_trial,
    virtual_service,
    without_trials,
)

Item = Mapping[str, Any]


@dataclass(frozen=True)
class Steps:
    """What is to be done for one service (see above).

    Attributes:
        before: the VirtualService to go back to.
        users: the versions that it leads users to.
        deploy: versions that do not answer yet.
        awaited: versions that must answer, each with a healthy endpoint in every calling proxy.
        trial: versions that users will reach and have not reached before.
        proved: the stage's routes with the record of a stage that has ended.
    """

    goal: Goal
    pin: Sequence[Item]
    before: Item
    users: Sequence[Version]
    deploy: Sequence[Version]
    awaited: Sequence[Version]
    prepare: Item
    trial: Sequence[Version]
    route: Item
    proved: Item
    retire: Sequence[Version]
    finish: Item


@dataclass
class Plan:
    """What is to be done, and what speaks against it."""

    problems: list[str] = field(default_factory=list)
    services: list[Steps] = field(default_factory=list)
    # Other people's objects without our hosts, to be written after our first routes, and those to be deleted then.
    leave: list[Item] = field(default_factory=list)
    # Both as they are now, in case the stage is taken back.
    taken: list[Item] = field(default_factory=list)
    remove: list[Item] = field(default_factory=list)


def plan(
    goals: Sequence[Goal],
    live: Live,
    takeover: bool,
    known: Mapping[str, Collection[str]] | None = None,
    changed: Collection[str] = (),
    callers: Mapping[str, Sequence[Mapping[str, str]]] | None = None,
) -> Plan:
    """Plan the way to some services' goals.

    Args:
        takeover: whether routing that somebody else has made or changed may be overwritten.
        known: the tags that the data has, by service.
        changed: names of Deployments that are no longer as the data says.
        callers: labels of the pods that call a service, by service.
    """
    result = Plan()
    found: list[foreign.Rule] = []
    for goal in goals:
        rules = foreign.rules(goal.service, goal.namespace, live, (callers or {}).get(goal.service, ()))
        result.problems += foreign.refusals(rules, takeover)
        governing = [rule for rule in rules if rule.counts]
        found += governing
        steps = _plan_service(goal, live, (known or {}).get(goal.service, ()), changed, bool(governing))
        result.services.append(steps)
        if not takeover:
            own = (find(live.virtual_services, steps.route), find(live.destination_rules, steps.prepare))
            result.problems += [foreign.edited(item) for item in own if item and is_edited(item)]
    # An object of one of these services that names another one as well is written as that service's own.
    own_objects = {label(item) for steps in result.services for item in (steps.route, steps.prepare)}
    left, removed = foreign.settled([rule for rule in found if label(rule.item) not in own_objects])
    result.leave, result.remove = list(left), list(removed)
    others = [*live.virtual_services, *live.destination_rules]
    result.taken = [_content(item) for each in (*left, *removed) if (item := find(others, each))]
    return result


def _plan_service(goal: Goal, live: Live, known: Collection[str], changed: Collection[str], governed: bool) -> Steps:
    service, namespace = goal.service, goal.namespace
    current_routes = find(live.virtual_services, virtual_service(goal))
    current_subsets = find(live.destination_rules, destination_rule(service, namespace, ()))

    running = deployed_tags(service, live.deployments, {*known, *goal.tags})
    answering = [tag for tag, deployment in running.items() if answers(deployment)]
    record = read_record(current_routes) if current_routes and is_ours(current_routes) else None
    # Versions of its stages are the service's own, also where somebody has taken our label off.
    own = {*record.tags, *record.previous} if record else set()
    old = [tag for tag in running if tag not in goal.tags and (is_managed(running[tag]) or tag in own)]
    missing = [tag for tag in goal.tags if tag not in answering or Version(service, tag).deployment in changed]

    carrying = subsets_in_use(current_routes, current_subsets)
    pin: list[Item] = []
    before: Item | None = current_routes
    if current_routes and current_routes["spec"].get("hosts") != virtual_service(goal)["spec"]["hosts"]:
        governed = True  # and it may govern another service
    # While somebody else's object governs, no request would be led as this stage writes, for its trial neither.
    if answering and (governed or (carrying is None and (missing or current_routes is None))):
        left = record or read_past(current_subsets, {*known, goal.stable, goal.candidate})
        # A promotion stays one, with what a rollback goes back to, until something else is proved.
        promoted = left is not None and left.stage == "promote" and left.proved
        record = left if left and promoted else Record("baseline", goal.stable, previous=goal.previous)
        steady = next(tag for tag in (record.stable, goal.stable, *answering) if tag in answering)
        before = virtual_service(Goal(service, namespace, "baseline", steady, steady))
        before = {**before, "metadata": {**before["metadata"], "annotations": record.annotations}}
        pin = [_with_others(destination_rule(service, namespace, running, record), current_subsets), before]
    if record and not record.proved and record.before:
        # A stage that was killed: what it would have gone back to.
        record = record.before
        before = virtual_service(goal_of(record, service, namespace))

    proved = virtual_service(goal)
    reached = current_routes is not None and not pin and is_same(proved, current_routes)
    back = record or Record("baseline", goal.stable, previous=goal.previous)
    reach = {tag for check in checks(goal) for tag, share in check["expect"].items() if share}
    users = set(map(version_label, answering)) if current_routes is None else subsets_of_users(current_routes)
    seen = {tag for tag in answering if version_label(tag) in users}
    # The stable version had users, and its pods are those of then: the way back to it takes no longer than it must.
    known_good = {back.stable} - set(missing)
    # Nobody waits for a mirrored version's answers, and mirroring may well have broken it.
    broken = goal.candidate in running and goal.candidate not in answering
    copied = {goal.candidate} if reached and goal.stage == "mirror" and broken else set()
    # The past changes when the stage is proved, not before.
    remembered = goal.record() if reached else back
    led_back = subsets_of_users(before) if before else set()
    prepare = destination_rule(service, namespace, [*old, *goal.tags], remembered)
    return Steps(
        goal=goal,
        pin=pin,
        before=_content(before) if before is not None else virtual_service(goal),
        users=[Version(service, tag) for tag in sorted({*known, *goal.tags}) if version_label(tag) in led_back],
        deploy=[Version(service, tag) for tag in missing if tag not in copied],
        awaited=[Version(service, tag) for tag in goal.tags if tag not in copied],
        prepare=_with_others(prepare, current_subsets),
        # Where nothing answers, nobody can be led to something worse.
        trial=[
            Version(service, tag) for tag in goal.tags if before and tag in reach and tag not in {*seen, *known_good}
        ],
        route=proved if reached else virtual_service(goal, before=back),
        proved=proved,
        retire=[Version(service, tag) for tag in old],
        finish=destination_rule(service, namespace, goal.tags, goal.record()),
    )


def _content(item: Item) -> dict[str, Any]:
    """Give what somebody wrote of an object, without what the API server keeps of it, and what a killed trial left."""
    kept = ("name", "namespace", "labels", "annotations")
    metadata = {key: item["metadata"][key] for key in kept if key in item["metadata"]}
    return without_trials({"apiVersion": API_VERSION, "kind": item["kind"], "metadata": metadata, "spec": item["spec"]})


def subsets_in_use(virtual_service: Item | None, destination_rule: Item | None) -> set[str] | None:
    """Name the subsets that routes lead to; None when some request is not kept to a version."""
    if virtual_service is None or destination_rule is None:
        return None
    named = {
        str(subset["name"])
        for subset in (destination_rule.get("spec") or {}).get("subsets") or []
        if (subset.get("labels") or {}) == {"version": subset["name"]}
    }
    found = [route for route in routes.of_virtual_service(virtual_service) if not is_trial(route)]
    used = {subset for route in found for subset, _ in (*route.shares, *route.mirror)}
    # A route for every request, and each destination a subset of one version.
    whole = any(not route.match for route in found) and all(route.shares for route in found)
    return used if whole and used <= named else None


def subsets_of_users(virtual_service: Item) -> set[str]:
    """Name the subsets that answer some user's request: not those that get copies, or a stage's own requests, alone."""
    found = routes.of_virtual_service(virtual_service)
    return {subset for route in found if not is_trial(route) for subset, _ in route.shares}


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
    notes = {**wanted["metadata"]["annotations"], SUBSETS: ",".join(str(subset["name"]) for subset in merged)}
    metadata = {**wanted["metadata"], "annotations": notes}
    return {**wanted, "metadata": metadata, "spec": {**wanted["spec"], "subsets": merged}}
