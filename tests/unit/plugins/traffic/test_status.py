"""What people are shown of a service, and what comes next."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.plugins.traffic.conftest import at, goal, written

from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import routes, status
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.plan import Live
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.proxies import View
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import virtual_service

CHECK = {
    "service": "aleph",
    "name": "everybody",
    "headers": {},
    "requests": 500,
    "answered": {"0.1": 405, "0.3": 95},
    "sentence": "aleph for everybody: honoured",
}


def views(stage: str, weight: int | None = None, *pods: str) -> dict[str, dict[str, View]]:
    held = routes.of_virtual_service(virtual_service(goal(stage, weight)))
    return {pod: {"aleph": View(held, {})} for pod in pods or ("front-1", "load-1")}


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
    return status.proof(**({"measured": [], "proxies": {}, "copies": {}, "load": {}} | given))


def test_the_proof_is_sentences() -> None:
    load = {"targets": {"aleph": {"sent": 20, "failed": 0}, "beth": {"sent": 20, "failed": 1}}}
    assert proof(measured=[CHECK], proxies={"front-1": 0.1, "load-1": 0.152}, load=load) == [
        "aleph for everybody: honoured",
        "All 2 calling proxies held it 152 ms after the last write.",
        "The load client sent 40 requests meanwhile: 1 failed.",
    ]


def test_what_failed_before_the_change_is_told() -> None:
    load = {
        "targets": {"aleph": {"sent": 20, "failed": 0}},
        "before": {"targets": {"aleph": {"sent": 30, "failed": 7}}},
    }
    assert proof(load=load) == [
        "The load client sent 20 requests since the proxies hold it: none failed.",
        "Requests were failing before this change already (7 of the last 30): not counted.",
    ]


def test_each_stage_says_what_to_measure() -> None:
    live = at("rollout", 20)
    found = shown(live, views("rollout", 20))
    assert [check["expect"] for check in status.checks([found], live)] == [{"0.1": 80, "0.3": 20}]
