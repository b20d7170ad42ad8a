"""A class is a number or names; what it cannot be is said in one sentence, and so is a student that is not there."""

from __future__ import annotations

import json
import re
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.places import Place, PlaceError

ONE_SENTENCE = re.compile(r"[A-Za-z][^\n]*[.]")
THERE = [places.of_room("staging", "/state"), *(places.of_student(name, "/state") for name in ("anna", "student-07"))]


@pytest.mark.parametrize(
    ("students", "meant"),
    [
        (1, ["student-01"]),
        ("2", ["student-01", "student-02"]),
        (" 3 ", ["student-01", "student-02", "student-03"]),
        ("anna", ["anna"]),
        ("anna,ben", ["anna", "ben"]),
        (["anna", " ben "], ["anna", "ben"]),
        ([3, "12"], ["student-03", "student-12"]),
        ("student-31", ["student-31"]),
        ("7,8", ["student-07", "student-08"]),
        ("07,08", ["student-07", "student-08"]),
        ("x" * places.LONGEST_NAME, ["x" * places.LONGEST_NAME]),
    ],
)
def test_students_are_a_number_or_names(students: Any, meant: list[str]) -> None:
    assert places.names(students) == meant


def test_the_hundredth_student_renames_nobody() -> None:
    assert places.names(101)[:99] == places.names(99)
    assert places.names(101)[-1] == "student-101"


@pytest.mark.parametrize(
    "students",
    [
        *(0, "0", "07", -1, "-1", "3.5", "1e3", "+3", "", " ", 251, "99999999999999999999", "9" * 5000, "3 4"),
        *(None, True, 3.5, {}, [], [""], ["a", ""], ["a", None], [["a"]], "a,,b", ",", "a,"),
        *("Anna", "anna ben", "anna_b", "änna", "-a", "a-", "a.b", "a/b", "../a", "7a", "007,8", "1000,2", "٣", "a\nb"),
        *("x" * (places.LONGEST_NAME + 1), "anna;reboot", "$(id)", "{{ 1 }}"),
        *("staging", "kube-system", "kube-x", "istio-system", "default", "build", "registry", "dockercoins", "all"),
        *("student-1", "student-007", "student7", "student07", "anna,student-1", ["student-01", "student-1"]),
        *("anna,anna", "7,student-07", "7,07", ["a", "b", "a"], [f"s{number}" for number in range(251)]),
    ],
    ids=repr,
)
def test_what_students_cannot_be_is_said_in_one_sentence(students: Any) -> None:
    with pytest.raises(PlaceError) as caught:
        places.names(students)
    assert ONE_SENTENCE.fullmatch(str(caught.value))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("student", "meant"),
    [
        pytest.param("7", ["student-07"], id="a number is a student, not a class of seven"),
        pytest.param(7, ["student-07"], id="as JSON has it"),
        pytest.param("07", ["student-07"], id="as it stands in the name"),
        pytest.param("student-31", ["student-31"], id="numbered"),
        pytest.param(" anna , 31", ["anna", "student-31"], id="several"),
        pytest.param(["anna", 8], ["anna", "student-08"], id="a list"),
    ],
)
def test_late_joiners_are_named(student: Any, meant: list[str]) -> None:
    assert places.joiners(student) == meant
    assert [place.name for place in places.meant("make", student, None, THERE, "/state")] == meant


NO_NAMES: tuple[Any, ...] = (None, True, 3.5, {})


@pytest.mark.parametrize(
    ("student", "said"),
    [
        *((value, "student names nobody") for value in ("", " ", [], [""])),
        *((value, "student is all") for value in ("all", ["all"], "anna,all")),
        ("expired", "student is expired"),
        *((value, "looks like 'student-01'") for value in ("student-1", "student-001", "student1")),
        *(
            (f"anna,{value}", "which no number gives")
            for value in ("student-0", "student-00", "student-000", "student0", "student-1000")
        ),
        *((value, "A student is named") for value in ("0", "00", "007", "1000", "-1", "3.5", "Anna", "x" * 64, "a,")),
        *((value, "has another use") for value in ("default", "kube-system", "staging", "build", "registry", "kube-x")),
        *((value, "more than once") for value in ("anna,anna", "7,07", "7,student-07")),
        *((value, "student is ") for value in NO_NAMES),
    ],
    ids=repr,
)
def test_who_cannot_join_is_said_in_one_sentence(student: Any, said: str) -> None:
    with pytest.raises(PlaceError, match=re.escape(said)) as caught:
        places.joiners(student)
    assert ONE_SENTENCE.fullmatch(str(caught.value))
    assert len(str(caught.value)) < 300


def test_who_is_there_is_called_as_it_is() -> None:
    """By a version that took such names."""
    there = [*THERE, places.of_student("student-1", "/state")]
    assert [place.name for place in places.meant("make", "student-1", None, there, "/state")] == ["student-1"]
    assert places.names(["student-1", "anna"], there=["student-1"]) == ["student-1", "anna"]
    with pytest.raises(PlaceError, match="looks like 'student-02'"):
        places.names(["student-1", "student-2"], there=["student-1"])


def test_names_of_the_room_are_taken() -> None:
    with pytest.raises(PlaceError, match="'mine', which has another use"):
        places.names("mine", taken=["mine"])


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [
        ("anna", ["anna"]),
        ("student-07,anna", ["student-07", "anna"]),
        (["anna"], ["anna"]),
        (7, ["student-07"]),
        ("7", ["student-07"]),
        ("07", ["student-07"]),
        ("all", ["anna", "student-07"]),
        ("staging", ["staging"]),
        ("staging, anna", ["staging", "anna"]),
    ],
)
def test_students_are_selected(wanted: Any, meant: list[str]) -> None:
    assert [place.name for place in places.select(wanted, THERE)] == meant


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("ben", "There is no student 'ben' in this room: there are staging, anna, student-07."),
        ("ben,carl", "'ben', 'carl'"),
        (8, "There is no student 'student-08'"),
        ("Anna", "'Anna' in this room (is anna meant?)"),
        ("", "student is empty"),
        ([], "student is empty"),
        ("anna,anna", "student has anna more than once"),
        ("7,student-07", "student has student-07 more than once"),
        ("all,anna", "all stands alone"),
        ("expired,anna", "expired stands alone"),
        ("student-7", "There is no student 'student-7' in this room (is student-07 meant?): there are staging, anna"),
        ("ALL", "There is no student 'ALL' in this room (is all meant?): there are staging, anna"),
        ("Expired", "There is no student 'Expired' in this room (is expired meant?): there are staging, anna"),
        ("STUDENT-07,ben", "'STUDENT-07', 'ben' in this room (is student-07 meant?)"),
        ("anna,", "''"),
        (None, "student is None"),
        (True, "student is True"),
        ({}, "student is {}"),
        (3.5, "student is 3.5"),
    ],
    ids=repr,
)
def test_a_student_that_is_not_there_is_said_in_one_sentence(wanted: Any, said: str) -> None:
    with pytest.raises(PlaceError, match=re.escape(said)) as caught:
        places.select(wanted, THERE)
    assert ONE_SENTENCE.fullmatch(str(caught.value))


def test_all_of_no_students_says_how_some_are_made() -> None:
    with pytest.raises(PlaceError, match=r"class\.yml -e students=2"):
        places.select("all", THERE[:1])


def test_of_many_students_some_are_named() -> None:
    many = [places.of_student(name, "/state") for name in places.names(30)]
    with pytest.raises(PlaceError, match=r"student-05, \.\.\., student-28, student-29, student-30"):
        places.select("ben", many)


def test_a_place_has_files_and_a_path_of_its_own() -> None:
    place = places.of_student("student-07", "/state")
    assert (place.namespace, place.path) == ("student-07", "/student-07/")
    assert place.kubeconfig == "/state/students/student-07/kubeconfig"
    own = places.of_room("staging", "/state")
    assert (own.kubeconfig, own.own, own.state) == ("/state/kubeconfig", True, "ready")


def test_a_class_is_written_for_programs_and_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "room" / places.CLASS_FILE
    ready = places.changed(places.of_student("anna", str(tmp_path)), state="ready", made="2026-11-26T08:00:00Z")
    assert places.write(path, "blue", [THERE[0], ready])
    assert not places.write(path, "blue", [THERE[0], ready])
    written = json.loads(path.read_text())
    assert written["room"] == "blue"
    (student,) = written["students"]
    assert Place(**{key: value for key, value in student.items() if key != "kubeconfig"}) == ready
    assert student["kubeconfig"] == str(tmp_path / "students/anna/kubeconfig")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("found", [b"", b"{", b"\xff\x00", b"[]"])
def test_a_file_that_was_spoilt_is_written_again(tmp_path: Path, found: bytes) -> None:
    path = tmp_path / places.CLASS_FILE
    path.write_bytes(found)
    assert places.write(path, "blue", THERE)
    assert json.loads(path.read_text())["room"] == "blue"


def test_a_class_without_students_has_no_file(tmp_path: Path) -> None:
    path = tmp_path / places.CLASS_FILE
    assert not places.write(path, "blue", THERE[:1])
    places.write(path, "blue", THERE)
    assert places.write(path, "blue", THERE[:1])
    assert not path.exists()


def test_who_has_expired_can_be_meant() -> None:
    def until(name: str, expires: str) -> places.Place:
        return places.changed(places.of_student(name, "/state"), expires=expires)

    there = [
        places.of_room("staging", "/state"),
        until("anna", "2026-11-26T17:00:00Z"),
        until("ben", "2026-11-26T17:00:01Z"),
        until("carl", ""),
    ]
    assert [place.name for place in places.select("expired", there, "2026-11-26T17:00:00Z")] == ["anna"]
    assert places.select("expired", there, "2026-11-25T00:00:00Z") == []


def test_numbered_names_are_those_of_a_number() -> None:
    assert all(map(places.is_numbered, places.names(places.MOST_STUDENTS)))
    assert not [
        name for name in ("student-7", "student-00", "student-1000", "student-x", "anna") if places.is_numbered(name)
    ]


@pytest.mark.parametrize(
    ("typed", "everybody"),
    [("all", True), (" all ", True), (["all"], True), ("all,anna", False), ("All", False), ("anna", False), (7, False)],
)
def test_all_is_everybody_however_it_is_typed(typed: Any, everybody: bool) -> None:
    assert places.is_everybody(typed) is everybody


@pytest.mark.parametrize("students", ["e", "ee", "e2", "e,e2"])
def test_a_name_is_none_of_the_ways_to_write_a_number(students: str) -> None:
    assert places.names(students) == students.split(",")


@pytest.mark.parametrize("students", ["", " ", "1e2", "+3", "-1", "3.0", "1e", " 0 ", ".5"])
def test_what_was_meant_as_a_number_is_judged_as_one(students: str) -> None:
    with pytest.raises(PlaceError, match="whole number from 1 to 250"):
        places.names(students)


@pytest.mark.parametrize(
    "call",
    [
        lambda: places.names([f"anna-{each}" for each in range(100_000)]),
        lambda: places.names([f"anna-{each % 50_000}" for each in range(100_000)]),
        lambda: places.select([f"anna-{each}" for each in range(100_000)], THERE),
        lambda: places.select([f"Student-{each}" for each in range(100_000)], THERE),
        lambda: places.select("x" * 1_000_000, THERE),
        lambda: places.names({"x": "y" * 1_000_000}),
        lambda: places.select({"x": "y" * 1_000_000}, THERE),
        lambda: places.joiners({"x": "y" * 1_000_000}),
    ],
)
def test_whatever_is_pasted_is_refused_at_once_in_a_short_sentence(call: Any) -> None:
    begun = time.monotonic()
    with pytest.raises(PlaceError) as refused:
        call()
    assert len(str(refused.value)) < 900
    assert time.monotonic() - begun < 10
