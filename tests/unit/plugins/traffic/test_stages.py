"""What stages mean, and what may be typed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.unit.plugins.traffic.conftest import goal

from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import stages
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.routes import Route, of_virtual_service


def problems(services: list[dict[str, Any]], **typed: Any) -> list[str]:
    given = {"stage": "rollout", "service": "", "weight": 50, "version": "", "takeover": False} | typed
    return stages.problems(**given, services=services)


@pytest.mark.parametrize("weight", [0, 1, 50, 100, "0", "7", "100"])
def test_a_whole_percentage_is_good(services: list[dict[str, Any]], weight: Any) -> None:
    assert problems(services, weight=weight) == []


@pytest.mark.parametrize("weight", [-1, "-1", 101, "101", 50.5, "50.5", "abc", "", " 5", "+5", "1e1", True, [50]])
def test_another_weight_is_refused_in_one_sentence(services: list[dict[str, Any]], weight: Any) -> None:
    (sentence,) = problems(services, weight=weight)
    assert str(weight) in sentence
    assert "0 to 100" in sentence
    assert "-e weight=50" in sentence


def test_a_missing_weight_says_what_to_type(services: list[dict[str, Any]]) -> None:
    assert problems(services, weight=None) == [
        "weight is missing: type -e weight=50 to send half of the requests to the new version (0 to 100)."
    ]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"service": "gimel"}, "service is 'gimel', but must be one of: aleph, beth"),
        ({"service": "front"}, "service is 'front', but must be one of: aleph, beth"),
        ({"stage": "cheese"}, "stage is 'cheese', but must be one of: baseline, dark_launch"),
        ({"stage": "mirror"}, "the stage mirror takes none"),
        ({"service": "aleph", "version": "9.9"}, "version is '9.9', but for aleph must be one of: 0.2, 0.3"),
        ({"service": "aleph", "version": "0.1"}, "version is '0.1', but for aleph must be one of: 0.2, 0.3"),
        ({"version": "0.2"}, "version is '0.2', but for beth must be one of: 0.3"),
        ({"takeover": "maybe"}, "takeover is 'maybe', but must be true or false"),
    ],
)
def test_what_else_is_wrong_is_named(services: list[dict[str, Any]], typed: dict[str, Any], said: str) -> None:
    assert any(said in sentence for sentence in problems(services, **typed))


def test_an_application_without_candidates_has_no_stages() -> None:
    (sentence,) = problems([{"name": "web"}])
    assert "no stages" in sentence


# The value of the header Cookie, and whether it is the developer's.
COOKIES = [
    ("user=developer", True),
    ("a=1; user=developer; b=2", True),
    ("a=1;user=developer;b=2", True),
    ("a=1; user=developer", True),
    ("user=developer; user=other", True),
    ("user=other; user=developer", True),
    ("user=developer ; b=2", True),
    ("user=developer2", False),
    ("xuser=developer", False),
    ("a=1; xuser=developer", False),
    ("User=developer", False),
    ("user=Developer", False),
    ('user="developer"', False),
    ("user=", False),
    ("user=other", False),
    ("a=user=developer", False),
    ("", False),
]


@pytest.mark.parametrize(("cookie", "developer"), COOKIES)
def test_the_pattern_knows_the_developers_cookie(cookie: str, developer: bool) -> None:
    # Envoy matches the whole value, as fullmatch does.
    assert bool(re.fullmatch(stages.DEVELOPER_COOKIE, cookie)) is developer


@pytest.mark.parametrize(
    ("stage", "weight", "routes"),
    [
        ("baseline", None, [Route(shares=(("v01", 100),))]),
        ("rollback", None, [Route(shares=(("v01", 100),))]),
        ("promote", None, [Route(shares=(("v03", 100),))]),
        ("rollout", 0, [Route(shares=(("v01", 100),))]),
        ("rollout", 20, [Route(shares=(("v01", 80), ("v03", 20)))]),
        ("rollout", 100, [Route(shares=(("v03", 100),))]),
        (
            "dark_launch",
            None,
            [Route((("cookie", stages.DEVELOPER_COOKIE),), (("v03", 100),)), Route(shares=(("v01", 100),))],
        ),
        (
            "mirror",
            None,
            [
                Route(((":method", "GET|HEAD|OPTIONS"),), (("v01", 100),), (("v03", 100),)),
                Route(shares=(("v01", 100),)),
            ],
        ),
    ],
)
def test_a_stage_is_its_routes(stage: str, weight: int | None, routes: list[Route]) -> None:
    assert of_virtual_service(stages.virtual_service(goal(stage, weight))) == routes


@pytest.mark.parametrize("stage", stages.STAGES)
def test_no_route_retries(stage: str) -> None:
    spec = stages.virtual_service(goal(stage, 50))["spec"]
    assert [route["retries"] for route in spec["http"]] == [{"attempts": 0}] * len(spec["http"])


@pytest.mark.parametrize("stage", stages.STAGES)
def test_what_was_asked_for_can_be_read_back(stage: str) -> None:
    asked = goal(stage, 20 if stage == "rollout" else None)
    read = stages.recorded_goal(stages.virtual_service(asked))
    assert read is not None
    assert (read.recorded_stage, read.tags, read.weight) == (asked.recorded_stage, asked.tags, asked.weight)
    assert of_virtual_service(stages.virtual_service(read)) == of_virtual_service(stages.virtual_service(asked))


def test_nobodys_virtual_service_records_nothing() -> None:
    item = {"metadata": {"name": "aleph", "namespace": "staging"}, "spec": {}}
    assert stages.recorded_goal(item) is None
    assert stages.recorded_versions([item]) == {}


@pytest.mark.parametrize(
    ("stage", "weight", "expected"),
    [
        ("baseline", None, {"everybody": {"0.1": 100}}),
        ("dark_launch", None, {"everybody": {"0.1": 100}, "developer": {"0.3": 100}}),
        ("mirror", None, {"everybody": {"0.1": 100}}),
        ("rollout", 0, {"everybody": {"0.1": 100}}),
        ("rollout", 1, {"everybody": {"0.1": 99, "0.3": 1}}),
        ("rollout", 100, {"everybody": {"0.3": 100}}),
        ("promote", None, {"everybody": {"0.3": 100}}),
    ],
)
def test_each_stage_is_measured(stage: str, weight: int | None, expected: dict[str, dict[str, int]]) -> None:
    assert {check["name"]: check["expect"] for check in stages.checks(goal(stage, weight))} == expected
