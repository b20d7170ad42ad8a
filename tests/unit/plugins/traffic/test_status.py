"""What people are shown of a service, and what comes next."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.plugins.traffic.conftest import at, goal, written

from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import routes, status
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.expectation import View
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.live import Live
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import (
    destination_rule,
    virtual_service,
)

CHECK = {
    "service": "aleph",
    "name": "everybody",
    "headers": {},
    "requests": 500,
    "answered": {"0.1": 405, "0.3": 95},
    "sentence": "aleph for everybody: honoured",
}


HEALTHY, EMPTY = routes.Cluster(1, 0, 0), routes.Cluster(0, 0, 0)
BOTH = {"v01": HEALTHY, "v03": HEALTHY}


def views(
    stage: str, weight: int | None = None, *pods: str, subsets: dict[str, routes.Cluster] = BOTH
) -> dict[str, dict[str, View]]:
    held = routes.of_virtual_service(virtual_service(goal(stage, weight)))
    return {pod: {"aleph": View(held, subsets)} for pod in pods or ("front-1", "load-1")}


def shown(live: Live, seen: dict[str, dict[str, View]], *checks: dict[str, Any]) -> dict[str, Any]:
    return status.service_status("aleph", "staging", live, seen, checks)


def test_asked_configured_held_and_measured_stand_side_by_side() -> None:
    found = shown(at("rollout", 20), views("rollout", 20), CHECK)
    assert (found["stage"], found["weight"], found["last_change"]) == ("rollout", 20, "2026-01-01T00:00:00Z")
    assert [
        (each["version"], each["ready"], each["asked"], each["configured"], each["proxies"], each["measured"])
        for each in found["versions"]
    ] == [
        ("0.1", 1, 80, 80, {"front-1": 80, "load-1": 80}, 81.0),
        ("0.3", 1, 20, 20, {"front-1": 20, "load-1": 20}, 19.0),
    ]
    assert status.table([found]) == [
        "service  stage    version  pods  asked  configured  in proxies  measured",
        "-------  -------  -------  ----  -----  ----------  ----------  --------",
        "aleph    rollout  0.1      1/1   80 %   80 %        80 % (2)    81 %",
        "                  0.3      1/1   20 %   20 %        20 % (2)    19 %",
    ]


def test_proxies_that_differ_are_seen() -> None:
    seen = views("rollout", 20, "front-1") | views("baseline", None, "load-1")
    found = shown(at("rollout", 20), seen)
    assert "80 %, 100 % (2)" in status.table([found])[2]


def test_what_somebody_edited_is_configured_but_was_not_asked_for() -> None:
    live = at("rollout", 20)
    edited = written(virtual_service(goal("rollout", 70)), "kubectl-edit")
    edited["metadata"]["annotations"] = virtual_service(goal("rollout", 20))["metadata"]["annotations"]
    found = shown(replace(live, virtual_services=[edited]), views("rollout", 70))
    assert [(each["asked"], each["configured"]) for each in found["versions"]] == [(80, 30), (20, 70)]
    assert found["warnings"] == ["VirtualService staging/aleph was changed by kubectl-edit."]
    assert any("kubectl-edit" in line for line in status.rules([found]))


def test_a_service_without_a_stage_is_shown_as_it_runs() -> None:
    found = shown(replace(at("baseline"), virtual_services=[], destination_rules=[]), {})
    assert status.table([found])[2] == "aleph    no stage yet  0.1      1/1   -      -           -           -"
    assert status.next_command([found], "", {}) == "ansible-playbook playbooks/baseline.yml"


def test_special_rules_are_put_into_words() -> None:
    found = shown(at("mirror"), views("mirror"))
    assert status.rules([found]) == ["aleph: :method ~ GET|HEAD|OPTIONS to v01 100 %, a copy of 100 % to v03"]


@pytest.mark.parametrize(
    ("stage", "weight", "following"),
    [
        ("baseline", None, "playbooks/dark_launch.yml"),
        ("dark_launch", None, "playbooks/mirror.yml"),
        ("mirror", None, "rollout.yml -e weight=1"),
        ("rollout", 1, "rollout.yml -e weight=20"),
        ("rollout", 50, "rollout.yml -e weight=60"),
        ("rollout", 100, "playbooks/promote.yml"),
        ("promote", None, "playbooks/rollback.yml"),
    ],
)
def test_the_next_command_follows_the_workshops_order(stage: str, weight: int | None, following: str) -> None:
    found = shown(at(stage, weight), views(stage, weight))
    said = status.next_command([found], " -e service=aleph", {})
    assert said == f"ansible-playbook {following} -e service=aleph"


def test_a_version_that_fails_under_mirroring_goes_back() -> None:
    found = shown(at("mirror"), views("mirror"))
    copies = {"aleph": {"requests": 100, "failed": 80}}
    assert status.next_command([found], "", copies) == "ansible-playbook playbooks/rollback.yml"
    assert any("100 copies and answered 80 of them with an error (80.0 %)" in line for line in proof(copies=copies))


def proof(**given: Any) -> list[str]:
    return status.proof(**({"measured": [], "proxies": {}, "copies": {}, "targets": {}} | given))


def test_the_proof_is_sentences() -> None:
    targets = {"aleph": {"sent": 20, "failed": 0}, "beth": {"sent": 20, "failed": 1}}
    assert proof(measured=[CHECK], proxies={"front-1": 0.1, "load-1": 0.152}, targets=targets) == [
        "aleph for everybody: honoured",
        "All 2 calling proxies held it 152 ms after the last write.",
        "The load client sent 40 requests meanwhile: 1 failed.",
    ]


def test_each_stage_says_what_to_measure() -> None:
    live = at("rollout", 20)
    found = shown(live, views("rollout", 20))
    assert [check["expect"] for check in status.checks([found], live)] == [{"0.1": 80, "0.3": 20}]


def in_proxies(found: dict[str, Any]) -> list[str]:
    """The column of the table, by version."""
    start = status.table([found])[0].index("in proxies")
    end = status.table([found])[0].index("measured")
    return [line[start:end].strip() for line in status.table([found])[2:]]


def test_case_20_without_subsets_nothing_arrives() -> None:
    live = replace(at("rollout", 50), destination_rules=[])
    found = shown(live, views("rollout", 50, subsets={}))
    assert in_proxies(found) == ["0 % (2)", "0 % (2)"]
    assert [set(version["proxies"].values()) for version in found["versions"]] == [{50}, {50}]
    assert [set(version["arrives"].values()) for version in found["versions"]] == [{0}, {0}]
    assert found["warnings"] == [
        f"50 % of the requests go to {subset} and get 503: there is no DestinationRule that says which pods it is "
        "(front-1, load-1)."
        for subset in ("v01", "v03")
    ]
    assert f"aleph: {found['warnings'][0]}" in status.rules([found])


@pytest.mark.parametrize(
    ("subsets", "column", "why"),
    [
        ({"v01": HEALTHY}, ["50 % (2)", "0 % (2)"], "the proxy has no cluster for it"),
        ({"v01": HEALTHY, "v03": EMPTY}, ["50 % (2)", "0 % (2)"], "the proxy knows no healthy endpoint of it"),
        (BOTH, ["50 % (2)", "50 % (2)"], None),
    ],
)
def test_a_share_arrives_where_a_healthy_endpoint_is(
    subsets: dict[str, routes.Cluster], column: list[str], why: str | None
) -> None:
    found = shown(at("rollout", 50), views("rollout", 50, subsets=subsets))
    assert in_proxies(found) == column
    assert [why in sentence if why else False for sentence in found["warnings"]] == ([True] if why else [])


def test_a_proxy_that_is_behind_is_named_alone() -> None:
    seen = views("rollout", 50, "front-1") | views("rollout", 50, "load-1", subsets={"v01": HEALTHY})
    found = shown(at("rollout", 50), seen)
    assert in_proxies(found) == ["50 % (2)", "0 %, 50 % (2)"]
    assert found["warnings"][0].endswith("(load-1).")
    # What the routes promise and what arrives are two things in the data.
    assert found["versions"][1]["proxies"] == {"front-1": 50, "load-1": 50}
    assert found["versions"][1]["arrives"] == {"front-1": 50, "load-1": 0}


def test_what_meets_a_rule_may_arrive_nowhere_alone() -> None:
    found = shown(at("dark_launch"), views("dark_launch", subsets={"v01": HEALTHY}))
    assert in_proxies(found) == ["100 % (2)", "0 % (2)"]
    assert found["warnings"][0].startswith("100 % of the requests where cookie ~ ")


@pytest.mark.parametrize(
    ("held", "why"),
    [
        (None, "the proxy has no route for aleph (front-1)."),
        (
            [routes.Route((("a =", "b"),), (("v01", 100),))],
            "no route is left for requests that meet no rule of aleph: they get 404 (front-1).",
        ),
    ],
)
def test_a_proxy_without_a_route_for_everybody_sends_nothing(held: list[routes.Route] | None, why: str) -> None:
    found = shown(at("rollout", 50), {"front-1": {"aleph": View(held, BOTH)}})
    assert in_proxies(found) == ["0 % (1)", "0 % (1)"]
    assert found["warnings"] == [why]


def test_a_subset_that_its_destination_rule_lacks_is_told_so() -> None:
    rule = destination_rule("aleph", "staging", ["0.1"])
    found = shown(
        replace(at("rollout", 50), destination_rules=[written(rule)]),
        views("rollout", 50, subsets={"v01": HEALTHY}),
    )
    assert "DestinationRule staging/aleph has no such subset" in found["warnings"][0]


def test_routes_that_leave_the_service_are_lines() -> None:
    item = virtual_service(goal("baseline"))
    item["spec"]["http"] = [{"route": [{"destination": {"host": "beth"}}], "retries": {"attempts": 0}}]
    seen = {"front-1": {"aleph": View(routes.of_virtual_service(item, "aleph"), BOTH)}}
    found = shown(replace(at("baseline"), virtual_services=[written(item)]), seen)
    assert "aleph: everything to beth.staging 100 %" in status.rules([found])
    assert in_proxies(found) == ["0 % (1)"]


def test_what_others_do_is_told_and_is_data() -> None:
    default = {
        "kind": "DestinationRule",
        "metadata": {"name": "default", "namespace": "istio-system"},
        "spec": {"host": "*.local", "trafficPolicy": {"connectionPool": {}}},
    }
    sidecar = {
        "kind": "Sidecar",
        "metadata": {"name": "default", "namespace": "staging"},
        "spec": {"egress": [{"hosts": ["./beth.staging.svc.cluster.local"]}]},
    }
    live = at("baseline")
    live = replace(live, destination_rules=[*live.destination_rules, default], sidecars=[sidecar])
    labels = [{"app": "front", "pod": "1"}, {"app": "front", "pod": "2"}, {"app": "load"}]
    found = status.service_status("aleph", "staging", live, views("baseline"), [], caller_labels=labels)
    assert [(each["object"], each["counts"]) for each in found["others"]] == [
        ("DestinationRule istio-system/default", False),
        ("Sidecar staging/default", True),
    ]
    lines = status.rules([found])
    assert lines[0].startswith("aleph: DestinationRule istio-system/default (host *.local: connectionPool) does not")
    assert lines[1].startswith("aleph: Sidecar staging/default keeps aleph from front, load, so that")


def test_a_proxy_that_cannot_be_asked_is_told_once() -> None:
    silent = ["The proxy of pod load-1 cannot be asked: node worker-1 is down."]
    found = [
        status.service_status(name, "staging", at("baseline"), views("baseline", None, "front-1"), [], silent)
        for name in ("aleph", "beth")
    ]
    assert status.rules(found) == silent
    assert [each["silent"] for each in found] == [silent, silent]


@pytest.mark.parametrize(
    ("stage", "stable", "candidate"),
    [("baseline", "0.1", None), ("rollout", "0.1", "0.3"), ("mirror", "0.1", "0.3")],
)
def test_the_versions_have_parts(stage: str, stable: str, candidate: str | None) -> None:
    found = shown(at(stage, 50 if stage == "rollout" else None), views(stage, 50))
    assert (found["stable"], found["candidate"]) == (stable, candidate)


def test_what_was_changed_and_changed_back_is_no_warning() -> None:
    back = [written(dict(item), "kubectl-patch") for item in at("rollout", 20).virtual_services]
    assert shown(replace(at("rollout", 20), virtual_services=back), views("rollout", 20))["warnings"] == []


def test_the_page_that_documents_the_data_names_each_field() -> None:
    page = (Path(__file__).parents[4] / "docs" / "status.md").read_text()
    data, _, _ = page.partition("## The verdict of a stage")
    described = set(re.findall(r"^\| `([a-z_]+)` \|", data, flags=re.MULTILINE))
    found = shown(at("mirror"), views("mirror"), CHECK)
    whole = {"schema", "namespace", "services", "next"}
    assert described == {*whole, *found, *found["versions"][0], *found["rules"][0], "object", "counts"}
    assert json.loads(json.dumps(found)) == found


def faults(live: Live, seen: dict[str, dict[str, View]]) -> list[str]:
    return status.faults([shown(live, seen)])


def test_a_stage_as_it_should_be_has_no_faults() -> None:
    for stage, weight in (("baseline", None), ("dark_launch", None), ("mirror", None), ("rollout", 20)):
        assert faults(at(stage, weight), views(stage, weight)) == [], stage


def test_before_the_first_stage_nothing_is_missing() -> None:
    assert faults(replace(at("baseline"), virtual_services=[], destination_rules=[]), {}) == []


def test_each_fault_is_a_sentence() -> None:
    asked = at("rollout", 20)
    assert faults(replace(asked, virtual_services=[]), views("rollout", 20)) == [
        "aleph is at no stage: its routes are missing, or are not the workshop's."
    ]
    assert "aleph 0.1 is to get 80 % of the requests, and from load-1 100 % arrive." in faults(
        asked, views("rollout", 20, "front-1") | views("baseline", None, "load-1")
    )
    assert any(
        "from front-1 0 % arrive" in each for each in faults(asked, views("rollout", 20, subsets={"v01": EMPTY}))
    )


def test_a_version_without_pods_is_a_fault_unless_it_only_gets_copies() -> None:
    def without_pods(stage: str, weight: int | None, version: str) -> list[str]:
        said = shown(at(stage, weight), views(stage, weight))
        for each in said["versions"]:
            if each["version"] == version:
                each["ready"] = 0
        return status.faults([said])

    assert without_pods("rollout", 20, "0.3") == ["aleph 0.3 has 0 of 1 pods ready."]
    assert without_pods("dark_launch", None, "0.3") == ["aleph 0.3 has 0 of 1 pods ready."]
    assert without_pods("mirror", None, "0.1") == ["aleph 0.1 has 0 of 1 pods ready."]
    assert without_pods("mirror", None, "0.3") == []


def test_what_others_say_of_it_is_a_fault_where_it_counts() -> None:
    said = shown(at("baseline"), views("baseline"))
    said["others"] = [
        {"object": "VirtualService staging/mine", "counts": True, "sentence": "mine routes aleph."},
        {"object": "DestinationRule istio-system/default", "counts": False, "sentence": "does not hold."},
    ]
    said["warnings"], said["silent"] = ["it was changed by kubectl."], ["front-1 did not answer."]
    assert status.faults([said]) == [
        "aleph: it was changed by kubectl.",
        "aleph: front-1 did not answer.",
        "aleph: mine routes aleph.",
    ]


def test_a_share_that_is_not_configured_is_a_fault() -> None:
    said = shown(at("rollout", 20), views("rollout", 20))
    said["versions"][1]["configured"] = 30
    assert status.faults([said]) == ["aleph 0.3 is to get 20 % of the requests, and its routes give it 30 %."]
