"""Places are worked on side by side: who fails hinders nobody, whatever the failure is."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.places import Place
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import queue
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.queue import (
    SLOW_SECONDS,
    Outcome,
    Width,
    side_by_side,
)

FIVE = [places.of_student(name, "/state") for name in places.names(5)]


def ready(place: Place, say: Callable[[str], None]) -> Place:
    say("made")
    return places.changed(place, state="ready")


def test_outcomes_come_in_the_places_order() -> None:
    said: list[str] = []
    done: list[Outcome] = []
    outcomes = side_by_side(FIVE, ready, Outcome.of, 2, said.append, done.append)
    assert [outcome.place.name for outcome in outcomes] == places.names(5)
    assert {outcome.place.state for outcome in outcomes} == {"ready"}
    assert sorted(outcome.place.name for outcome in done) == places.names(5)
    assert "student-03: made" in said
    assert any("(5 of 5)" in line for line in said)
    assert any("left)" in line for line in said)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (WorkshopError("No node\ntakes it."), "No node takes it."),
        (WorkshopError("x" * 10**6), "xxx"),
        (KeyError("x"), "students met something that it does not know"),
    ],
)
def test_who_fails_is_named_and_the_others_go_on(error: Exception, cause: str) -> None:
    def work(place: Place, say: Callable[[str], None]) -> Place:
        if place.name == "student-02":
            raise error
        return ready(place, say)

    outcomes = side_by_side(FIVE, work, Outcome.of, 3, lambda _: None)
    assert [outcome.place.name for outcome in outcomes if outcome.cause] == ["student-02"]
    assert outcomes[1].cause.startswith(cause)
    assert len(outcomes[1].cause) < 2100, "it stands on the place's namespace"
    assert outcomes[1].as_data()["state"] == "failed"


@pytest.mark.parametrize("at_once", [1, 3])
def test_no_more_at_once_than_asked_for(at_once: int) -> None:
    working, most, lock = 0, 0, threading.Lock()
    together = threading.Barrier(at_once)

    def work(place: Place, say: Callable[[str], None]) -> Place:
        nonlocal working, most
        with lock:
            working += 1
            most = max(most, working)
        if place.name <= f"student-{at_once:02d}":
            together.wait(10)  # so many do work at once
        with lock:
            working -= 1
        return ready(place, say)

    assert not [
        outcome.cause for outcome in side_by_side(FIVE, work, Outcome.of, at_once, lambda _: None) if outcome.cause
    ]
    assert most == at_once


def test_of_nobody_nothing_is_made() -> None:
    assert side_by_side([], ready, Outcome.of, 3, lambda _: None) == []


def test_of_one_alone_neither_name_nor_progress_is_said() -> None:
    said: list[str] = []
    side_by_side(FIVE[:1], ready, Outcome.of, 3, said.append)
    assert said == ["made"]


@pytest.mark.parametrize(
    ("seconds", "done", "sentence"),
    [(10, 1, "(1 of 4, about 30 s left)"), (90, 2, "(2 of 4, about 2 min left)"), (200, 4, "(4 of 4)")],
)
def test_progress_says_what_is_left(seconds: float, done: int, sentence: str) -> None:
    assert queue._progress(seconds, done, 4) == sentence


@pytest.mark.parametrize(
    ("seconds", "widths"),
    [
        ([10, 10, 10], [3, 3, 3]),
        ([200, 10, 10, 10], [1, 2, 3, 3]),
        ([200, 200, 200], [1, 1, 1]),
        ([10, 200, 10], [3, 1, 2]),
    ],
)
def test_slow_places_make_it_narrow_and_quick_ones_wide_again(seconds: list[float], widths: list[int]) -> None:
    width = Width(3)
    assert [(width.learn(each), width.now)[1] for each in seconds] == widths


def test_places_that_take_long_are_worked_on_by_fewer_at_a_time() -> None:
    """Three that begin together are slow: those that come after them are alone."""
    now, lock = 0.0, threading.Lock()
    working: set[str] = set()
    beside: dict[str, int] = {}
    together = threading.Barrier(3)

    def work(place: Place, say: Callable[[str], None]) -> Place:
        nonlocal now
        first = place.name in places.names(3)
        with lock:
            working.add(place.name)
        if first:
            together.wait(10)
        with lock:
            beside[place.name] = len(working)
            now += SLOW_SECONDS + 1
            working.remove(place.name)
        return ready(place, say)

    said: list[str] = []
    side_by_side(FIVE, work, Outcome.of, 3, said.append, clock=lambda: now)
    assert (beside["student-04"], beside["student-05"]) == (1, 1)
    assert any(line.endswith("no more than 1 at a time now.") for line in said)
