"""Many places side by side: one that fails hinders no other, and is told with its cause."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.places import Place, PlaceError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import stages
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.queue import Outcome, Say, side_by_side
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.verdict import NOT_PROVEN, PROVEN, REFUSED


def student(name: str, state: str = "ready", cause: str = "") -> Place:
    return places.changed(places.of_student(name, "/state"), state=state, cause=cause)


ANNA, BEN, CARL = map(student, ("anna", "ben", "carl"))
ALEPH = {
    "service": "aleph",
    "stage": "rollout",
    "weight": 20,
    "stable": "0.1",
    "candidate": "0.3",
    "versions": [{"version": "0.1", "measured": 80.5}, {"version": "0.3", "measured": 19.5}],
}


def test_one_that_fails_hinders_no_other() -> None:
    def work(place: Place, _: Say) -> dict[str, Any]:
        if place == BEN:
            raise WorkshopError("Its lease is somebody's.")
        if place == CARL:
            raise KeyError("spec")
        return {"stage": "rollout", "verdict": PROVEN, "reasons": [], "services": [ALEPH], "lost": 0}

    done = side_by_side([BEN, CARL, ANNA], work, stages.Done.of, 2, lambda _: None)
    assert [each.place.name for each in done] == ["ben", "carl", "anna"]
    assert [each.verdict for each in done] == [REFUSED, NOT_PROVEN, PROVEN]
    failed = stages.failure(done)
    assert failed.startswith("2 of 3 places failed.\nben: Its lease is somebody's.\ncarl: ")
    lines = "\n".join(stages.table(done))
    assert "80.5 %" in lines
    assert "1 of 3 places: proven." in lines
    told = stages.summary(done, "rollout", [])
    assert (told["good"], [each["verdict"] for each in told["places"]]) == (1, [REFUSED, NOT_PROVEN, PROVEN])
    assert told["places"][2]["services"][0]["weight"] == 20


def test_what_several_rooms_have_written_is_one_table() -> None:
    look = stages.Done.of(ANNA, 2, {"services": [{**ALEPH, "versions": []}]})
    told = {**stages.summary([look], "status", [])["places"][0], "room": "blue"}
    lines = stages.table([stages.of_summary(told)])
    assert any(line.split() == ["blue/anna", "aleph", "rollout", "20", "%", "seen", "-", "2"] for line in lines), lines


def test_of_one_alone_its_own_reasons_are_said() -> None:
    done = stages.Done.of(ANNA, 1, {"verdict": REFUSED, "reasons": ["No.", "Nor that."]})
    assert stages.failure([done]) == "No.\nNor that."


def test_of_what_a_student_s_pod_has_said_a_part_is_told() -> None:
    """It may have no end, nor its lines."""
    for said in ("x" * 10**6, "x\n" * 10**6):
        done = stages.Done.of(ANNA, 1, WorkshopError(f"front: {said}"))
        assert stages.failure([done]).startswith("front: x")
        assert len(json.dumps(stages.summary([done], "goto", []))) < 10_000


ASLEEP, FAILED = student("dora", "suspended"), student("eva", "failed", "No node takes it.")
TAKEN = places.changed(student("finn", "failed", "The namespace finn is somebody else's."), taken=True)


@pytest.mark.parametrize(
    ("meant", "everybody", "mend", "found"),
    [
        pytest.param([ANNA, BEN], False, False, ["anna", "ben"], id="ready"),
        pytest.param([ANNA, ASLEEP, FAILED], True, False, ["anna"], id="all: the others are passed over"),
        pytest.param([ANNA, ASLEEP, FAILED], True, True, ["anna", "eva"], id="what failed is about to be put right"),
        pytest.param([ANNA, TAKEN], True, True, ["anna"], id="somebody else's namespace is not"),
    ],
)
def test_a_stage_is_taken_in_places_that_are_ready(
    meant: list[Place], everybody: bool, mend: bool, found: list[str]
) -> None:
    usable, passed_over = stages.ready(meant, everybody, mend)
    assert [each.name for each in usable] == found
    assert len(passed_over) == len(meant) - len(found)


@pytest.mark.parametrize(
    ("meant", "everybody", "sentence"),
    [
        pytest.param(
            [ANNA, ASLEEP], False, "dora is suspended: wake it with ansible-playbook playbooks/resume.yml", id="sleeps"
        ),
        pytest.param([FAILED], False, "eva was not made whole (No node takes it): type ansible-playbook", id="failed"),
        pytest.param([TAKEN], False, "finn has no place. The namespace finn is somebody else's.", id="taken"),
        pytest.param([ASLEEP], True, "No student has a place that is ready.", id="all sleep"),
        pytest.param([], False, "Nobody's time is over in this room", id="nobody has expired"),
        pytest.param([places.of_room("staging", "/s"), ANNA], False, "not worked on together", id="the room's own"),
    ],
)
def test_others_are_refused_in_a_sentence(meant: list[Place], everybody: bool, sentence: str) -> None:
    with pytest.raises(PlaceError) as refused:
        stages.ready(meant, everybody)
    assert sentence in str(refused.value)


def test_a_place_is_read_as_it_was_given() -> None:
    assert stages.place({**ANNA.as_data(), "kubeconfig": "/elsewhere"}) == ANNA


def test_files_are_private(tmp_path: Path) -> None:
    stages.write(str(tmp_path / "anna/stage.json"), {"verdict": PROVEN})
    path = tmp_path / "anna/stage.json"
    assert json.loads(path.read_text()) == {"verdict": PROVEN}
    assert path.stat().st_mode & 0o777 == 0o600


DEPLOY = "No pod runs: ansible-playbook playbooks/deploy.yml brings the application up."


@pytest.mark.parametrize(
    ("place", "typed"),
    [(ANNA, "goto.yml -e student=anna -e stage=baseline"), (places.of_room("staging", "/state"), "deploy.yml")],
)
@pytest.mark.parametrize("judge", [stages.Done.of, Outcome.of])
def test_what_is_to_be_typed_is_said_for_the_place_that_it_is_about(judge: Any, place: Place, typed: str) -> None:
    """Not what deploys the room's own application, when it is a student's that is broken."""
    end = judge(place, 1, WorkshopError(DEPLOY))
    said = end.cause if isinstance(end, Outcome) else " ".join(end.reasons)
    assert said == f"No pod runs: ansible-playbook playbooks/{typed} brings the application up."
