"""A class over several rooms: evenly, nobody is moved, and each command goes where its students are."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.places import Place, PlaceError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import assigning

NOBODY: dict[str, list[Place]] = {"blue": [], "green": []}


def there(**rooms: list[str]) -> dict[str, list[Place]]:
    return {room: [places.of_student(name, f"/state/{room}") for name in names] for room, names in rooms.items()}


BOTH = there(blue=["anna", "carl"], green=["ben"])


@pytest.mark.parametrize(
    ("number", "rooms", "found"),
    [(60, 2, [30, 30]), (7, 3, [3, 2, 2]), (1, 2, [1, 0]), (100, 100, [1] * 100), (250, 100, [3] * 50 + [2] * 50)],
)
def test_rooms_get_as_many_each(number: int, rooms: int, found: list[int]) -> None:
    empty: dict[str, list[Place]] = {f"room-{each}": [] for each in range(rooms)}
    made = assigning.assigned(places.names(number), empty, {})
    assert [len(each) for each in made.values()] == found


def test_who_is_there_stays_whatever_comes_besides() -> None:
    first = assigning.assigned(places.names(10), NOBODY, {})
    three = {**there(**first), "red": []}
    second = assigning.assigned(places.names(13), three, {})
    assert {room: second[room][: len(names)] for room, names in first.items()} == first
    assert second["red"] == ["student-11", "student-12", "student-13"], "the room with the fewest gets who comes"


def test_a_room_takes_no_more_than_it_may() -> None:
    made = assigning.assigned(places.names(10), NOBODY, {"blue": 3})
    assert [len(each) for each in made.values()] == [3, 7]
    with pytest.raises(PlaceError, match=r"9 students do not fit into the rooms, which take at most blue 3, green 5"):
        assigning.assigned(places.names(9), NOBODY, {"blue": 3, "green": 5})


@pytest.mark.parametrize(
    ("playbook", "student", "students", "found"),
    [
        ("status", "all", None, {"blue": ["anna", "carl"], "green": ["ben"]}),
        ("rollout", "ben", None, {"green": ["ben"]}),
        ("suspend", "ben,anna", None, {"blue": ["anna"], "green": ["ben"]}),
        ("suspend", "expired", None, {}),
        ("class", None, "anna,dora", {"blue": ["anna"], "green": ["dora"]}),
        ("class", "dora", None, {"green": ["dora"]}),
        ("plan", None, 4, {"blue": ["student-02", "student-04"], "green": ["student-01", "student-03"]}),
    ],
)
def test_each_room_works_on_its_own(playbook: str, student: Any, students: Any, found: dict[str, list[str]]) -> None:
    made = assigning.orders(playbook, student, students, BOTH, {})
    assert {room: sorted(names) for room, names in made.items()} == {r: sorted(n) for r, n in found.items()}


@pytest.mark.parametrize(
    ("playbook", "student", "students", "rooms", "sentence"),
    [
        ("status", "dora", None, BOTH, "There is no student 'dora' in"),
        ("status", None, None, BOTH, "Say which student with -e student=NAME"),
        ("status", None, 3, BOTH, "students says how many a class has"),
        ("class", None, None, BOTH, "Say how many students there are, or who"),
        ("class", None, "0", BOTH, "must be a whole number from 1"),
        ("reset", "all", None, NOBODY, "There are no students in"),
        ("status", "all", None, there(blue=["anna"], green=["anna"]), "anna has a place in blue and in green: remove"),
    ],
)
def test_who_cannot_be_meant_is_one_sentence(
    playbook: str, student: Any, students: Any, rooms: dict[str, list[Place]], sentence: str
) -> None:
    with pytest.raises(PlaceError, match=sentence):
        assigning.orders(playbook, student, students, rooms, {})


@pytest.mark.parametrize(
    ("playbook", "rooms", "sentence"),
    [
        ("teardown", ["blue"], "playbook is 'teardown', but in several rooms can be one of archive, "),
        ("rooms", ["blue"], "playbook is 'rooms'"),
        ("", ["blue"], "for example -e playbook=class -e students=60"),
        ("class", [], "The inventory names no rooms"),
        ("class", ["blue", "red"], r"There is no room 'red' here \(there are blue, green\): make it first"),
    ],
)
def test_what_rooms_cannot_do_is_one_sentence(playbook: str, rooms: list[str], sentence: str) -> None:
    with pytest.raises(PlaceError, match=sentence):
        assigning.judge(playbook, rooms, ["blue", "green"])
    assigning.judge("class", ["blue"], ["blue"])


@pytest.mark.parametrize(
    ("most", "at_once", "sentence"),
    [
        ({"blue": "ten"}, 8, "most_students of the room blue is 'ten', but must be a whole number from 0 to 250"),
        ({"blue": -1}, 8, "most_students of the room blue is -1"),
        ({"blue": 2.5}, 8, "most_students of the room blue is 2.5"),
        ({"blue": True}, 8, "most_students of the room blue is True"),
        ({"blue": None}, 8, "most_students of the room blue is None"),
        ({"blue": "\N{ARABIC-INDIC DIGIT THREE}"}, 8, "most_students of the room blue is"),
        ({"blue": 20, "green": 251}, 8, "most_students of the room green is 251"),
        ({}, 0, "rooms_at_once is 0, but must be a whole number from 1 to 100"),
        ({}, -8, "rooms_at_once is -8"),
        ({}, 1000, "rooms_at_once is 1000"),
        ({}, "eight", "rooms_at_once is 'eight', but must be a whole number from 1 to 100: for example"),
        ({}, 2.5, "rooms_at_once is 2.5"),
        ({}, "9" * 5000, "rooms_at_once is '999"),
        ({"blue": "9" * 5000}, 8, "most_students of the room blue is '999"),
        ({}, True, "rooms_at_once is True"),
        ({}, None, "rooms_at_once is None"),
        ({}, [8], r"rooms_at_once is \[8\]"),
        ({}, "\N{ARABIC-INDIC DIGIT THREE}", "rooms_at_once is"),
    ],
)
def test_numbers_of_rooms_are_judged(most: dict[str, Any], at_once: Any, sentence: str) -> None:
    with pytest.raises(PlaceError, match=sentence) as refused:
        assigning.limits(most, at_once)
    assert len(str(refused.value)) < 300
    assert assigning.limits({"blue": 0, "green": "250"}, "8") == {"blue": 0, "green": 250}


def test_the_class_of_all_rooms_is_one_table() -> None:
    ready = places.changed(BOTH["green"][0], state="ready", page="https://green:30443/ben/front/")
    lines = "\n".join(assigning.table({**BOTH, "green": [ready]}))
    assert "green  ben      ready   https://green:30443/ben/front/" in lines
    assert "3 students: blue 2, green 1." in lines
    data = assigning.as_data(BOTH)
    assert data["rooms"] == {"blue": ["anna", "carl"], "green": ["ben"]}
    assert [each["room"] for each in data["students"]] == ["blue", "blue", "green"]


def refused(name: str, room: str) -> Place:
    """Give a student whose namespace is somebody else's in a room."""
    return places.changed(places.of_student(name, f"/state/{room}"), state="failed", cause="Taken.", taken=True)


@pytest.mark.parametrize(
    ("rooms", "found"),
    [
        ({"blue": [refused("anna", "blue")], "green": []}, {"blue": ["anna"], "green": []}),
        ({"blue": [refused("anna", "blue")], **there(green=["anna"])}, {"blue": [], "green": ["anna"]}),
        (
            {"blue": [refused("anna", "blue")], "green": [refused("anna", "green")]},
            {"blue": ["anna"], "green": []},
        ),
        (there(blue=["anna"], green=["anna"]), {"blue": ["anna"], "green": ["anna"]}),
    ],
)
def test_whose_namespace_is_somebody_else_s_is_told_once(rooms: Any, found: dict[str, list[str]]) -> None:
    assert assigning.as_data(assigning.once(rooms))["rooms"] == found


@pytest.mark.parametrize(
    ("playbook", "student", "found"),
    [
        ("class", "dora", {"green": ["dora"]}),
        ("status", "all", {"blue": ["anna"]}),
        ("status", "dora", "dora has no place. Taken."),
        ("remove", "all", {"blue": ["anna", "dora"]}),
        ("remove", "dora", {"blue": ["dora"]}),
    ],
)
def test_and_has_no_room_but_can_be_removed(playbook: str, student: str, found: Any) -> None:
    rooms = {"blue": [*there(blue=["anna"])["blue"], refused("dora", "blue")], "green": []}
    if isinstance(found, str):
        with pytest.raises(PlaceError, match=found):
            assigning.orders(playbook, student, None, rooms, {})
    else:
        assert assigning.orders(playbook, student, None, rooms, {}) == found


@pytest.mark.parametrize("name", ["workshop_name", "workshop_kubeconfig", "workshop_state_dir"])
def test_what_is_of_one_room_is_not_given_to_all(name: str) -> None:
    with pytest.raises(PlaceError, match=f"{name}: that is of one room"):
        assigning.refuse_of_one_room(["playbook", name])
    assigning.refuse_of_one_room(["playbook", "students", "workshop_student_hours"])


def test_who_sleeps_needs_no_room() -> None:
    asleep = places.changed(places.of_student("anna", ""), state="suspended")
    found = assigning.awake({"blue": ["anna"], "green": ["ben", "dora"]}, {"blue": [asleep], "green": []})
    assert found == {"green": ["ben", "dora"]}
