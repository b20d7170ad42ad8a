"""The way from what is there to a stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from tests.unit.plugins.traffic.conftest import SERVICES, at, deployment, goal, written

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import merged
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.live import (
    Live,
    Version,
    deployed_tags,
    is_same,
    service_record,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.plan import Plan, Steps, plan, subsets_in_use
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.records import Record, read_past, read_record
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import (
    Goal,
    destination_rule,
    virtual_service,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import goal as goal_asked

ALEPH = SERVICES[1]
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


def subsets(item: Any) -> list[str]:
    return [subset["name"] for subset in item["spec"]["subsets"]]


def tags(versions: Sequence[Version]) -> list[str]:
    return [version.tag for version in versions]


def plan_one(target: Goal, live: Live, takeover: bool = False) -> Plan:
    return plan([target], live, takeover)


def steps(target: Goal, live: Live, takeover: bool = False) -> Steps:
    planned = plan_one(target, live, takeover)
    assert planned.problems == []
    return planned.services[0]


@pytest.mark.parametrize(("here", "there"), list(product(STAGES, STAGES)))
def test_every_stage_is_reached_from_every_other(here: tuple[str, int | None], there: tuple[str, int | None]) -> None:
    live, target = at(*here), goal(*there)
    planned = steps(target, live)
    before, after = set(goal(*here).tags), set(target.tags)
    assert planned.pin == [], "the stage that is left keeps its routes until the new ones are written"
    assert set(tags(planned.deploy)) == after - before
    assert set(tags(planned.retire)) == before - after
    assert set(tags(planned.awaited)) == after
    # No subset goes before the routes to it have gone.
    assert set(subsets(planned.prepare)) == {f"v{tag.replace('.', '')}" for tag in before | after}
    assert set(subsets(planned.finish)) == {f"v{tag.replace('.', '')}" for tag in after}
    assert planned.route["spec"] == planned.proved["spec"] == virtual_service(target)["spec"]
    assert planned.before["spec"] == live.virtual_services[0]["spec"]
    if virtual_service(goal(*here)) != virtual_service(target):
        assert read_record(planned.route) == target.record(read_record(live.virtual_services[0]))
    assert read_record(planned.proved) == target.record()


# Which versions answer users' requests in each stage.
USERS = {
    ("baseline", None): {"0.1"},
    ("dark_launch", None): {"0.1", "0.3"},
    ("mirror", None): {"0.1"},
    ("rollout", 0): {"0.1"},
    ("rollout", 50): {"0.1", "0.3"},
    ("rollout", 100): {"0.3"},
    ("promote", None): {"0.3"},
    ("rollback", None): {"0.1"},
}


@pytest.mark.parametrize(("here", "there"), list(product(STAGES, STAGES)))
def test_what_no_user_has_reached_is_tried_first(here: tuple[str, int | None], there: tuple[str, int | None]) -> None:
    # The stable version had users before: where it still runs, the way back to it is not held up.
    known = {"0.1"} & set(goal(*here).tags)
    assert set(tags(steps(goal(*there), at(*here)).trial)) == USERS[there] - USERS[here] - known


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_is_reached_leaves_nothing_to_do(stage: tuple[str, int | None]) -> None:
    live = at(*stage)
    planned = steps(goal(*stage), live)
    assert (planned.pin, planned.deploy, planned.trial, planned.retire) == ([], [], [], [])
    for wanted in (planned.route, planned.proved):
        assert is_same(wanted, live.virtual_services[0])
    for wanted in (planned.prepare, planned.finish):
        assert is_same(wanted, live.destination_rules[0])


def test_new_pods_wait_until_the_routes_keep_requests_from_them() -> None:
    planned = steps(goal("rollout", 20), Live([], [], [deployment("0.1")]))
    rule, routes = planned.pin
    assert subsets(rule) == ["v01"]
    assert routes["spec"]["http"][0]["route"] == [{"destination": {"host": "aleph", "subset": "v01"}}]
    assert planned.before["spec"] == routes["spec"]
    assert tags(planned.deploy) == ["0.3"]


def test_requests_are_pinned_to_what_runs_when_the_stable_version_does_not() -> None:
    planned = steps(goal("rollback"), Live([], [], [deployment("0.3"), deployment("0.1", ready=0)]))
    assert planned.pin[1]["spec"]["http"][0]["route"][0]["destination"]["subset"] == "v03"
    assert tags(planned.trial) == ["0.1"] or tags(planned.deploy) == ["0.1"]


@pytest.mark.parametrize(
    "without", [{"virtual_services": []}, {"destination_rules": []}], ids=["no routes", "no subsets"]
)
def test_a_promotion_is_taken_back_whatever_somebody_has_deleted(without: dict[str, Any]) -> None:
    live = replace(at("promote"), **without)
    record = service_record(ALEPH, "staging", live)
    planned = steps(goal_asked("rollback", ALEPH, "staging", record), live)
    assert read_record(planned.proved) == Record("baseline", "0.1")
    # Until that is proved, users stay with what was promoted, and it is remembered as that.
    assert read_record(planned.pin[1]) == PAST
    assert planned.pin[1]["spec"]["http"][0]["route"][0]["destination"]["subset"] == "v03"
    assert read_past(planned.prepare, ["0.3"]) == PAST
    assert read_past(planned.finish, ["0.1"]) == Record("baseline", "0.1")


def test_nothing_is_pinned_where_nothing_runs() -> None:
    planned = steps(goal("dark_launch"), Live([], [], []))
    assert planned.pin == []
    assert tags(planned.deploy) == ["0.1", "0.3"]
    assert planned.trial == [], "nobody can be led to something worse"


def scaled_to_0(tag: str) -> dict[str, Any]:
    none = deployment(tag, ready=0)
    return {**none, "spec": {**none["spec"], "replicas": 0}, "status": {"observedGeneration": 1}}


def gone(_tag: str) -> None:
    return None


@pytest.mark.parametrize("mishap", [scaled_to_0, gone, lambda tag: deployment(tag, ready=0)])
@pytest.mark.parametrize("here", [("rollout", 50), ("rollout", 100), ("dark_launch", None), ("mirror", None)])
def test_a_version_that_does_not_answer_is_brought_back_first(mishap: Any, here: tuple[str, int | None]) -> None:
    left = [item for item in (mishap("0.1"), deployment("0.3")) if item]
    planned = steps(goal("rollback"), replace(at(*here), deployments=left))
    assert tags(planned.deploy) == tags(planned.awaited) == ["0.1"]
    assert tags(planned.trial) == ["0.1"], "it is asked before a user's request reaches it again"
    assert tags(planned.retire) == ["0.3"]


def test_a_version_that_somebody_has_changed_is_brought_back() -> None:
    planned = plan([goal("rollout", 50)], at("rollout", 50), False, changed=["aleph-v01"]).services[0]
    assert tags(planned.deploy) == ["0.1"]


@pytest.mark.parametrize("image", ["istio-games-aleph:0.4", "other/name", "istio-games-aleph@sha256:1"])
def test_a_deployments_name_says_which_version_it_is(image: str) -> None:
    changed = deployment("0.1")
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = image
    assert list(deployed_tags("aleph", [changed], ["0.1", "0.3"])) == ["0.1"]


def test_a_mirrored_version_that_mirroring_has_broken_is_not_waited_for() -> None:
    live = replace(at("mirror"), deployments=[deployment("0.1"), deployment("0.3", ready=0)])
    planned = steps(goal("mirror"), live)
    assert (planned.deploy, tags(planned.awaited)) == ([], ["0.1"])


def killed(before: tuple[str, int | None], there: tuple[str, int | None]) -> Live:
    """A cluster in which a stage has written its routes, and was killed."""
    live, target = at(*before), goal(*there)
    unproved = virtual_service(target, read_record(live.virtual_services[0]))
    both = [deployment(tag) for tag in dict.fromkeys((*goal(*before).tags, *target.tags))]
    return Live([written(unproved)], [written(destination_rule("aleph", "staging", ["0.1", "0.3"]))], both)


@pytest.mark.parametrize("there", [("rollout", 50), ("promote", None), ("dark_launch", None)])
def test_a_stage_that_was_killed_is_gone_on_with(there: tuple[str, int | None]) -> None:
    live = killed(("baseline", None), there)
    planned = steps(goal(*there), live)
    assert is_same(planned.route, live.virtual_services[0])
    assert planned.before["spec"] == virtual_service(goal("baseline"))["spec"]
    assert read_record(planned.proved) == goal(*there).record()


@pytest.mark.parametrize("there", [("rollout", 50), ("promote", None), ("dark_launch", None)])
def test_after_a_stage_that_was_killed_the_stable_version_is_the_one_of_before(there: tuple[str, int | None]) -> None:
    live = killed(("baseline", None), there)
    assert service_record(ALEPH, "staging", live).stable == "0.1"
    assert read_record(steps(goal("rollback"), live).proved) == Record("baseline", "0.1")


PAST = Record("promote", "0.3", None, ("0.1",))


@pytest.mark.parametrize(
    ("live", "record"),
    [
        (at("promote"), PAST),
        # Somebody has deleted the VirtualService; then both.
        (replace(at("promote"), virtual_services=[]), PAST),
        (replace(at("promote"), virtual_services=[], destination_rules=[]), Record("baseline", "0.3")),
        (Live([], [], [deployment("0.1")]), Record("baseline", "0.1")),
        (Live([], [], []), Record("baseline", "0.1")),
        (Live([], [], [deployment("0.1"), deployment("0.3")]), Record("baseline", "0.1")),
    ],
)
def test_where_a_service_stands_is_known_from_what_is_left(live: Live, record: Record) -> None:
    assert service_record(ALEPH, "staging", live) == record


def broken(item: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return written({**item, "spec": {**item["spec"], **spec}}, "kubectl-edit")


def missing_subset() -> Live:
    whole = at("rollout", 50).destination_rules[0]
    return replace(at("rollout", 50), destination_rules=[broken(dict(whole), subsets=whole["spec"]["subsets"][:1])])


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
    planned = steps(goal("rollout", 20), live, takeover=True)
    assert planned.route["spec"] == virtual_service(goal("rollout", 20))["spec"]
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
    planned = steps(goal("baseline"), replace(live, deployments=[*live.deployments, foreign]))
    assert planned.retire == []


@pytest.mark.parametrize(
    ("began", "to"), [(("mirror",), "promote"), (("rollout", 50), "baseline"), (("promote",), "promote")]
)
def test_a_version_of_the_services_stages_is_retired_also_without_our_label(began: tuple[Any, ...], to: str) -> None:
    """Somebody has taken the label off; that the version was a stage's is recorded."""
    live = at(*began)
    deployments = [deployment("0.1"), deployment("0.3")]
    for each in deployments:
        del each["metadata"]["labels"]["app.kubernetes.io/managed-by"]
    known = {"aleph": ["0.1", "0.2", "0.3"]}
    (planned,) = plan([goal(to)], replace(live, deployments=deployments), False, known).services
    assert [version.tag for version in planned.retire] == ["0.1" if to == "promote" else "0.3"]


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
        "workshop.istio-games/stable": "0.3",
        "workshop.istio-games/previous": "0.1",
        "workshop.istio-games/proved": "true",
    }
