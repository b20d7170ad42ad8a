"""The way from what is there to a stage."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from tests.unit.plugins.traffic.conftest import at, deployment, goal, written

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import is_as_wanted, merged
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.plan import Live, Plan, plan, subsets_in_use
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import (
    Goal,
    destination_rule,
    virtual_service,
)

STAGES: list[tuple[str, int | None]] = [
    ("baseline", None),
    ("dark_launch", None),
    ("mirror", None),
    ("rollout", 0),
    ("rollout", 50),
    ("rollout", 100),
    ("promote", None),
    ("rollback", None),
]


def subsets(items: list[dict[str, Any]]) -> list[str]:
    return [subset["name"] for item in items for subset in item["spec"]["subsets"]]


def plan_one(target: Goal, live: Live, takeover: bool = False) -> Plan:
    return plan([target], live, takeover)


@pytest.mark.parametrize(("here", "there"), list(product(STAGES, STAGES)))
def test_every_stage_is_reached_from_every_other(here: tuple[str, int | None], there: tuple[str, int | None]) -> None:
    live, target = at(*here), goal(*there)
    planned = plan_one(target, live)
    before, after = set(goal(*here).tags), set(target.tags)
    assert planned.problems == []
    assert planned.pin == [], "the stage that is left keeps its routes until the new ones are written"
    assert set(planned.deploy) == {f"aleph-v{tag.replace('.', '')}" for tag in after - before}
    assert {each["deployment"] for each in planned.retire} == {
        f"aleph-v{tag.replace('.', '')}" for tag in before - after
    }
    # No subset goes before the routes to it have gone.
    assert set(subsets(planned.prepare)) == {f"v{tag.replace('.', '')}" for tag in before | after}
    assert planned.route == [virtual_service(target)]
    assert set(subsets(planned.finish or planned.prepare)) == {f"v{tag.replace('.', '')}" for tag in after}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_is_reached_leaves_nothing_to_do(stage: tuple[str, int | None]) -> None:
    live, target = at(*stage), goal(*stage)
    planned = plan_one(target, live)
    assert (planned.deploy, planned.retire, planned.finish, planned.remove) == ([], [], [], [])
    assert is_as_wanted(planned.route[0], live.virtual_services[0])
    assert is_as_wanted(planned.prepare[0], live.destination_rules[0])


def test_new_pods_wait_until_the_routes_keep_requests_from_them() -> None:
    planned = plan_one(goal("rollout", 20), Live([], [], [deployment("0.1")]))
    rule, routes = planned.pin
    assert subsets([rule]) == ["v01"]
    assert routes["spec"]["http"][0]["route"] == [{"destination": {"host": "aleph", "subset": "v01"}}]
    assert planned.deploy == ["aleph-v03"]


def test_requests_are_pinned_to_what_runs_when_the_stable_version_does_not() -> None:
    planned = plan_one(goal("rollback"), Live([], [], [deployment("0.3"), deployment("0.1", ready=0)]))
    assert planned.pin[1]["spec"]["http"][0]["route"][0]["destination"]["subset"] == "v03"


def test_nothing_is_pinned_where_nothing_runs() -> None:
    planned = plan_one(goal("dark_launch"), Live([], [], []))
    assert planned.pin == []
    assert planned.deploy == ["aleph-v01", "aleph-v03"]


def broken(item: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return written({**item, "spec": {**item["spec"], **spec}}, "kubectl-edit")


def missing_subset() -> Live:
    return replace(at("rollout", 50), destination_rules=[broken(destination_rule("aleph", "staging", ["0.1"]))])


def both_routes_to_one_subset() -> Live:
    route = [{"destination": {"host": "aleph", "subset": "v01"}, "weight": weight} for weight in (50, 50)]
    return replace(
        at("rollout", 50), virtual_services=[broken(virtual_service(goal("rollout", 50)), http=[{"route": route}])]
    )


def one_label_on_both_subsets() -> Live:
    wrong = [{"name": name, "labels": {"version": "v01"}} for name in ("v01", "v03")]
    return replace(
        at("rollout", 50), destination_rules=[broken(destination_rule("aleph", "staging", []), subsets=wrong)]
    )


def two_that_overlap() -> Live:
    live = at("rollout", 50)
    other = virtual_service(Goal("aleph", "staging", "baseline", "0.1", "0.1"))
    other["metadata"] = {"name": "mine", "namespace": "staging"}
    return replace(live, virtual_services=[*live.virtual_services, written(other, "kubectl")])


@pytest.mark.parametrize(
    "live", [missing_subset(), both_routes_to_one_subset(), one_label_on_both_subsets(), two_that_overlap()]
)
def test_what_somebody_else_did_is_named_and_left_alone_unless_taken_over(live: Live) -> None:
    (sentence,) = plan_one(goal("rollout", 20), live).problems
    assert "kubectl" in sentence
    assert "takeover=true" in sentence
    planned = plan_one(goal("rollout", 20), live, takeover=True)
    assert planned.problems == []
    assert planned.route == [virtual_service(goal("rollout", 20))]
    assert subsets(planned.prepare) == ["v01", "v03"]


def test_the_object_that_overlaps_goes_with_takeover() -> None:
    planned = plan_one(goal("baseline"), two_that_overlap(), takeover=True)
    assert [item["metadata"]["name"] for item in planned.remove] == ["mine"]


def test_an_object_that_names_both_services_leaves_both_at_once() -> None:
    spec = {"hosts": ["aleph", "beth", "gimel"], "http": [{"route": [{"destination": {"host": "gimel"}}]}]}
    other = {"kind": "VirtualService", "metadata": {"name": "mine", "namespace": "staging"}, "spec": spec}
    both = [goal("baseline"), replace(goal("baseline"), service="beth")]
    assert [item["spec"]["hosts"] for item in plan(both, Live([other], [], []), True).leave] == [["gimel"]]
    other["spec"] = {**spec, "hosts": ["aleph", "beth"]}
    planned = plan(both, Live([other], [], []), True)
    assert (planned.leave, planned.remove) == ([], [other])


def test_what_somebody_changed_and_changed_back_is_ours_again() -> None:
    live = at("rollout", 20)
    back = [written(dict(live.virtual_services[0]), "kubectl-patch")]
    assert plan_one(goal("rollout", 20), replace(live, virtual_services=back)).problems == []
    assert plan_one(goal("rollout", 40), replace(live, virtual_services=back)).problems == []


def test_a_deployment_that_is_not_ours_is_not_retired() -> None:
    foreign = deployment("0.3")
    del foreign["metadata"]["labels"]["app.kubernetes.io/managed-by"]
    live = at("baseline")
    planned = plan_one(goal("baseline"), replace(live, deployments=[*live.deployments, foreign]))
    assert planned.retire == []


def test_routes_that_leave_a_request_to_chance_pin_nothing() -> None:
    rule = destination_rule("aleph", "staging", ["0.1", "0.3"])
    whole = virtual_service(goal("dark_launch"))
    assert subsets_in_use(whole, rule) == {"v01", "v03"}
    assert subsets_in_use({**whole, "spec": {"http": whole["spec"]["http"][:1]}}, rule) is None
    assert subsets_in_use(whole, destination_rule("aleph", "staging", ["0.1"])) is None
    assert subsets_in_use(None, rule) is None


def test_taking_over_makes_us_the_one_writer() -> None:
    live = broken(virtual_service(goal("rollout", 50)), hosts=["other"])
    live["metadata"]["annotations"] = {"mine": "stays", "workshop.istio-games/weight": "50"}
    item = merged(virtual_service(goal("promote")), live)
    assert [entry["manager"] for entry in item["metadata"]["managedFields"]] == ["istio-workshop"]
    assert item["metadata"]["resourceVersion"] == "7"
    assert item["metadata"]["annotations"] == {
        "mine": "stays",
        "workshop.istio-games/stage": "promote",
        "workshop.istio-games/versions": "0.3",
    }
