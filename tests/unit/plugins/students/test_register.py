"""A room's places are read from the labels of its namespaces, whatever somebody has written beside them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import owner_labels
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import (
    register,
    report,
    sleeping,
    stages,
    throttling,
)

NAMESPACES = "/api/v1/namespaces"


def put(api: Any, name: str, room: str = "blue", annotations: dict[str, str] | None = None, **labels: str) -> None:
    owned = {**owner_labels(room), register.STUDENT: name, **labels}
    api.put(f"{NAMESPACES}/{name}", metadata={"labels": owned, "annotations": annotations or {}})


def test_places_are_the_room_s_own_and_its_students(api: Any) -> None:
    put(api, "student-02")
    put(api, "anna")
    put(api, "ben", room="green")
    api.put(f"{NAMESPACES}/staging", metadata={"labels": owner_labels("blue")})
    found = register.read(api, "blue", "staging", "/state")
    assert [place.name for place in found] == ["staging", "anna", "student-02"]
    assert [place.own for place in found] == [True, False, False]
    assert found[1].state == "making"


def test_what_is_noted_is_read_again(api: Any) -> None:
    put(api, "anna")
    made = places.changed(
        places.of_student("anna", "/state"),
        state="failed",
        cause="No node takes it.",
        made="2026-11-26T08:00:00Z",
        expires="2026-11-27T08:00:00Z",
    )
    register.note(api, made)
    assert register.read(api, "blue", "staging", "/state")[1] == made


def test_who_is_throttled_is_said(api: Any) -> None:
    put(api, "anna", annotations={throttling.THROTTLED: "2026-11-26T08:00:00Z worker-1"})
    put(api, "ben")
    _, *found = register.read(api, "blue", "staging", "/state")
    assert [place.throttled for place in found] == ["2026-11-26T08:00:00Z", ""]
    said = stages.slow(found)
    assert said == [found[0].slow]
    assert said[0].startswith("anna is throttled since 2026-11-26T08:00:00Z: its pods took the processors")
    assert said[0] in report.table(found, [], "")
    assert "ben is throttled" not in "".join(report.table(found, [], ""))


@pytest.mark.parametrize("label", ["", "ben", "Anna", "a..b"])
def test_a_namespace_with_another_s_name_is_nobody_s_place(api: Any, label: str) -> None:
    put(api, "anna")
    api.put(f"{NAMESPACES}/carl", metadata={"labels": {**owner_labels("blue"), register.STUDENT: label}})
    found = register.read(api, "blue", "staging", "/state")
    assert [place.name for place in found] == ["staging", "anna"]


def test_a_namespace_that_goes_is_no_place_that_is_ready(api: Any) -> None:
    put(api, "anna")
    ready = places.changed(places.of_student("anna", "/state"), state="ready", expires="2999-01-01T00:00:00Z")
    register.note(api, ready)
    api.objects[f"{NAMESPACES}/anna"]["metadata"]["deletionTimestamp"] = "2026-11-26T08:00:00Z"
    (_, place) = register.read(api, "blue", "staging", "/state")
    assert (place.state, place.cause) == ("making", "Its namespace is being deleted.")
    assert place.expires == "", "the account is going, too"


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '"ready"', "null", '{"state": "gone"}', '{"state": null}'])
def test_what_somebody_else_has_noted_makes_no_place_ready(api: Any, text: str) -> None:
    put(api, "anna", annotations={sleeping.PLACE: text})
    (_, place) = register.read(api, "blue", "staging", "/state")
    assert (place.name, place.state) == ("anna", "making")
