"""What stages mean, and what may be typed."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.plugins.traffic.conftest import SERVICES, goal

from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import arguments, records, stages
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.records import Record
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.routes import Route, of_virtual_service


def problems(services: list[dict[str, Any]], **typed: Any) -> list[str]:
    given = {"stage": "rollout", "service": None, "weight": 50, "version": None, "takeover": False} | typed
    return arguments.problems(**given, services=services)


@pytest.mark.parametrize("weight", [0, 1, 50, 100, "0", "7", "100"])
def test_a_whole_percentage_is_good(services: list[dict[str, Any]], weight: Any) -> None:
    assert problems(services, weight=weight) == []


ODD_WEIGHTS = (
    *(-1, "-1", 101, "101", 50.5, "50.5", "abc", "", "+5", "1e1", True, [50]),
    *(" 50", "50 ", "050", "00", "5e1", "0x32", "50%", "1_0", "٥٠", "５０", "½", "50,0"),  # noqa: RUF001
)


@pytest.mark.parametrize("weight", ODD_WEIGHTS)
def test_another_weight_is_refused_in_one_sentence(services: list[dict[str, Any]], weight: Any) -> None:
    (sentence,) = problems(services, weight=weight)
    assert str(weight) in sentence
    assert "0 to 100" in sentence
    assert "-e weight=50" in sentence


def test_a_missing_weight_says_what_to_type(services: list[dict[str, Any]]) -> None:
    assert problems(services, weight=None) == [
        "weight is missing: type -e weight=50 to send half of the requests to the new version (0 to 100)."
    ]


@pytest.mark.parametrize("service", ["aleph", "beth", "aleph,beth", "beth, aleph", ["aleph"], ["aleph", "beth"], None])
def test_services_may_be_a_list(services: list[dict[str, Any]], service: Any) -> None:
    assert problems(services, service=service) == []


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"service": "gimel"}, "service is 'gimel', but must be one or more of: aleph, beth"),
        ({"service": "front"}, "service is 'front', but must be one or more of: aleph, beth"),
        ({"service": "aleph,gimel"}, "service is 'aleph,gimel', but must be one or more of: aleph, beth"),
        ({"service": ["gimel"]}, "service is 'gimel', but must be one or more of"),
        ({"service": "aleph,"}, "service is 'aleph,', but must be one or more of"),
        ({"service": "aleph;beth"}, "service is 'aleph;beth', but must be one or more of"),
        ({"service": {"aleph": 1}}, "but must be one or more of"),
        # A shell's variable that is not set, and not all services.
        ({"service": ""}, "service is '', but must be one or more of: aleph, beth"),
        ({"service": " "}, "service is '', but must be one or more of: aleph, beth"),
        ({"service": []}, "service is '', but must be one or more of: aleph, beth"),
        ({"service": False}, "service is 'False', but must be one or more of: aleph, beth"),
        ({"service": "aleph", "version": ""}, "version is '', but for aleph must be one of: 0.1, 0.2, 0.3"),
        ({"service": "aleph", "version": False}, "version is 'False', but for aleph must be one of"),
        ({"service": "aleph", "version": 0}, "version is '0', but for aleph must be one of"),
        ({"service": "aleph", "version": "0.3 "}, "version is '0.3 ', but for aleph must be one of"),
        ({"service": "aleph,beth", "version": "0.2"}, "version is '0.2', but for beth must be one of: 0.1, 0.3"),
        ({"stage": "cheese"}, "stage is 'cheese', but must be one of: baseline, dark_launch"),
        ({"stage": "mirror"}, "the stage mirror takes none"),
        ({"service": "aleph", "version": "9.9"}, "version is '9.9', but for aleph must be one of: 0.1, 0.2, 0.3"),
        ({"version": "0.2"}, "version is '0.2', but for beth must be one of: 0.1, 0.3"),
        ({"takeover": "maybe"}, "takeover is 'maybe', but must be true or false"),
    ],
)
def test_what_else_is_wrong_is_named(services: list[dict[str, Any]], typed: dict[str, Any], said: str) -> None:
    assert any(said in sentence for sentence in problems(services, **typed))


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (0.3, None),
        ("1.10", None),
        ("1.1", None),
        (1.1, "version is the number 1.1, which may be any of 1.1, 1.10 of aleph: give it as text, for example"),
        (2.5, "version is '2.5', but for aleph must be one of"),
    ],
)
def test_a_number_that_may_be_several_versions_is_none(version: Any, said: str | None) -> None:
    tags = ("0.3", "1.1", "1.10", "1.0-RC1", "latest")
    aleph = {"name": "aleph", "candidate": "0.3", "build": {"versions": [{"tag": tag} for tag in tags]}}
    found = problems([aleph], version=version)
    assert [sentence[: len(said or "")] for sentence in found] == ([said] if said else [])


@pytest.mark.parametrize("name", ["stage", "service", "weight", "version", "takeover"])
@pytest.mark.parametrize("value", ["x" * 5000, 10**300, ["x" * 50] * 50], ids=["text", "number", "list"])
def test_what_is_long_is_cut(services: list[dict[str, Any]], name: str, value: Any) -> None:
    for sentence in problems(services, **{name: value}):
        assert sentence.startswith(f"{name} is ")
        assert len(sentence) < 300


def test_a_stage_that_is_none_says_nothing_of_the_weight(services: list[dict[str, Any]]) -> None:
    (sentence,) = problems(services, stage="roll_out", weight=20)
    assert sentence.startswith("stage is 'roll_out', but must be one of")


def test_an_application_without_candidates_has_no_stages() -> None:
    (sentence,) = problems([{"name": "web"}])
    assert "no stages" in sentence
    (sentence,) = problems([{"name": "web"}], service="web")
    assert sentence.endswith("type -e workshop_app=alephbeth, or leave service out.")


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


@pytest.mark.parametrize("stage", records.STAGES)
def test_no_route_retries(stage: str) -> None:
    spec = stages.virtual_service(goal(stage, 50))["spec"]
    assert [route["retries"] for route in spec["http"]] == [{"attempts": 0}] * len(spec["http"])


@pytest.mark.parametrize("stage", records.STAGES)
@pytest.mark.parametrize("previous", [(), ("0.0",)])
def test_what_was_asked_for_can_be_read_back(stage: str, previous: tuple[str, ...]) -> None:
    asked = replace(goal(stage, 20 if stage == "rollout" else None), previous=previous)
    read = stages.recorded_goal(stages.virtual_service(asked))
    assert read is not None
    assert (read.recorded_stage, read.tags, read.weight) == (asked.recorded_stage, asked.tags, asked.weight)
    assert of_virtual_service(stages.virtual_service(read), "aleph") == of_virtual_service(
        stages.virtual_service(asked), "aleph"
    )
    assert read.record() == asked.record()


ALEPH = SERVICES[1]
HERE = Record("baseline", "0.1")
PROMOTED = Record("promote", "0.3", None, ("0.1",))


@pytest.mark.parametrize(
    ("stage", "record", "version", "stable", "candidate", "previous"),
    [
        ("rollout", HERE, None, "0.1", "0.3", ()),
        ("rollout", HERE, "0.2", "0.1", "0.2", ()),
        ("promote", HERE, None, "0.1", "0.3", ()),
        # The promoted version is the stable one.
        ("baseline", PROMOTED, None, "0.3", "0.3", ("0.1",)),
        ("rollout", PROMOTED, "0.2", "0.3", "0.2", ("0.1",)),
        ("mirror", PROMOTED, "0.1", "0.3", "0.1", ("0.1",)),
        ("promote", PROMOTED, "0.2", "0.3", "0.2", ("0.1",)),
        # Reached already.
        ("promote", PROMOTED, None, "0.1", "0.3", ()),
        # Back to the one before, also after several promotions.
        ("rollback", PROMOTED, None, "0.1", "0.3", ()),
        ("rollback", Record("promote", "0.2", None, ("0.1", "0.3")), None, "0.3", "0.2", ("0.1",)),
        ("rollback", Record("rollout", "0.3", "0.2", ("0.1",), 20), None, "0.3", "0.2", ("0.1",)),
        ("rollback", Record("baseline", "0.3", None, ("0.1",)), None, "0.3", "0.3", ("0.1",)),
        # A promotion that was killed before its proof.
        ("rollback", Record("promote", "0.1", "0.3", (), None, False, HERE), None, "0.1", "0.3", ()),
    ],
)
def test_a_goal_starts_from_where_a_service_stands(
    stage: str, record: Record, version: str | None, stable: str, candidate: str, previous: tuple[str, ...]
) -> None:
    found = stages.goal(stage, ALEPH, "staging", record, weight=5, version=version)
    assert (found.stable, found.candidate, found.previous) == (stable, candidate, previous)
    assert found.weight == (5 if stage == "rollout" else None)


@pytest.mark.parametrize(
    ("stage", "record", "said"),
    [
        ("rollout", PROMOTED, "0.3 is the stable version of aleph already"),
        ("dark_launch", PROMOTED, "-e service=aleph -e version=0.2"),
        ("rollback", Record("promote", "0.3"), "has no version before 0.3"),
    ],
)
def test_a_stage_that_makes_no_sense_is_one_sentence(stage: str, record: Record, said: str) -> None:
    with pytest.raises(stages.StageError, match=re.escape(said)) as error:
        stages.goal(stage, ALEPH, "staging", record, weight=5)
    assert "\n" not in str(error.value)


def test_a_promotion_that_is_not_proved_has_promoted_nothing() -> None:
    promoting = goal("promote")
    assert promoting.record(HERE) == Record("promote", "0.1", "0.3", (), None, False, HERE)
    assert promoting.record() == PROMOTED
    assert promoting.record(HERE).tags == ("0.1", "0.3")
    assert promoting.record().tags == ("0.3",)


def test_the_past_holds_each_version_once_however_often_it_is_promoted() -> None:
    record = Record("baseline", "0.1")
    for version in ("0.3", "0.1", "0.2", "0.3", "0.1") * 3:
        record = stages.goal("promote", ALEPH, "staging", record, version=version).record()
        assert record.stable == version
        assert record.stable not in record.previous
        assert len(set(record.previous)) == len(record.previous) <= 2
    assert record.previous == ("0.2", "0.3")


def test_only_the_stages_own_requests_are_on_trial() -> None:
    before = stages.virtual_service(goal("baseline"))
    trial = stages.with_trial(before, ["0.2"], "abc")
    first, *rest = trial["spec"]["http"]
    assert first["match"] == [{"headers": {"x-workshop-trial": {"regex": "abc-v02"}}}]
    assert first["route"] == [{"destination": {"host": "aleph", "subset": "v02"}}]
    assert rest == before["spec"]["http"]
    assert trial["metadata"] == before["metadata"]


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
