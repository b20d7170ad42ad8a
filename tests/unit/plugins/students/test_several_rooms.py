"""What rooms say is told as they say it: who fails, what fits, and whether anything was changed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible import context
from ansible.parsing.dataloader import DataLoader

from ansible_collections.istio_games.workshop.plugins.action import several_rooms
from ansible_collections.istio_games.workshop.plugins.action.several_rooms import ActionModule
from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions import base
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import lock, places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import rooms as rooms_of_user
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import playing
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.playing import Order, Played

ROOMS = ("blue", "green")


class Rooms:
    """Two rooms, the second with a state directory of its own; each plays as it is told."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.faults: dict[str, str] = {}
        self.changed = self.check = False
        self.played: list[str] = []
        self.given: dict[str, Any] = {}
        self.shown: list[str] = []
        self.homes = {"blue": home / "istio-workshop/blue", "green": home / "elsewhere/green"}
        for room in ROOMS:
            (home / "istio-workshop" / room).mkdir(parents=True)
            record = {"settings": {} if room == "blue" else {"workshop_state_dir": str(self.homes[room])}}
            (home / "istio-workshop" / room / "room.yml").write_text(json.dumps({**record, "inventory": []}))
        self.homes["green"].mkdir(parents=True)
        monkeypatch.setenv("XDG_STATE_HOME", str(home))
        monkeypatch.setattr(base, "end_with_parent", lambda: None)
        monkeypatch.setattr(lock, "hold", lambda *_: None)
        monkeypatch.setattr(several_rooms, "show", self.shown.extend)
        monkeypatch.setattr(several_rooms, "say", lambda _: None)
        monkeypatch.setattr(playing, "play", self.play)
        there = {room: [places.of_student(name, "")] for room, name in zip(ROOMS, ("anna", "ben"), strict=True)}
        monkeypatch.setattr(ActionModule, "_there", lambda _: there)

    def play(self, orders: Sequence[Order], *_: Any) -> list[Played]:
        self.played += [f"{order.room} {order.playbook.stem}" for order in orders]
        self.given |= {order.room: order.variables.get("student") for order in orders}
        for order in orders:
            if order.playbook.stem == "plan" and order.room not in self.faults and not self.check:
                (self.homes[order.room] / "plan.json").write_text('{"fits": 7, "limit": "memory"}')
        return [Played(each.room, self.faults.get(each.room, ""), 1.0, self.changed) for each in orders]

    def run(self, **options: Any) -> dict[str, Any]:
        task: Any = SimpleNamespace(
            args={"rooms": [*ROOMS], **options}, check_mode=self.check, async_val=0, action="a", diff=False
        )
        connection: Any = SimpleNamespace(_shell=SimpleNamespace(tmpdir="unused"))
        nothing: Any = SimpleNamespace()
        return ActionModule(task, connection, nothing, DataLoader(), nothing, None).run()


@pytest.fixture
def rooms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rooms:
    return Rooms(tmp_path, monkeypatch)


@pytest.mark.parametrize("changed", [True, False])
def test_it_has_changed_something_if_a_room_has(rooms: Rooms, changed: bool) -> None:
    rooms.changed = changed
    for playbook, options in (("class", {"students": 4}), ("rollout", {"student": "all"})):
        assert rooms.run(playbook=playbook, **options)["changed"] is changed


def test_a_plan_that_fails_in_one_room_is_told_beside_the_others(rooms: Rooms) -> None:
    rooms.faults = {"blue": "The cluster does not answer."}
    told = rooms.run(playbook="plan", students=4)
    assert told["msg"] == "1 of 2 rooms failed.\nblue: The cluster does not answer."
    assert "green: 2 students, room for 7, limited by memory." in rooms.shown


def test_no_room_is_changed_if_one_refuses_and_why_is_said(rooms: Rooms) -> None:
    rooms.faults = {"green": "The cluster does not answer."}
    told = rooms.run(playbook="class", students=4)
    said = "1 of 2 rooms cannot take their students, so nothing was changed in any room.\n"
    assert told["msg"] == f"{said}green: The cluster does not answer."
    assert rooms.played == ["blue plan", "green plan"]


def test_what_a_room_has_written_is_read_where_it_writes(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    place = {"student": "ben", "namespace": "ben", "verdict": "seen", "reasons": [], "seconds": 1.0, "services": []}

    def play(orders: Sequence[Order], *_: Any) -> list[Played]:
        (rooms.homes["green"] / "statuses.json").write_text(json.dumps({"places": [place]}))
        return [Played(each.room, "", 1.0, False) for each in orders]

    monkeypatch.setattr(playing, "play", play)
    rooms.run(playbook="status", student="all")
    assert any("green/ben" in line for line in rooms.shown)


@pytest.mark.parametrize("check", [True, False])
def test_a_plan_that_was_not_written_is_not_read(rooms: Rooms, check: bool) -> None:
    """One of an earlier day may be there."""
    (rooms.homes["blue"] / "plan.json").write_text('{"fits": 99, "limit": "pods"}')
    rooms.check = check
    assert not rooms.run(playbook="plan", students=4).get("failed")
    log = rooms.homes["blue"] / "rooms.log"
    said = f"{log} tells what fits." if check else "room for 7, limited by memory."
    assert f"blue: 2 students, {said}" in rooms.shown


@pytest.mark.parametrize(
    ("student", "given"),
    [
        ("all", {"blue": "all", "green": "all"}),
        (["all"], {"blue": "all", "green": "all"}),
        ("anna,ben", {"blue": ["anna"], "green": ["ben"]}),
    ],
)
def test_all_are_all_of_each_room(rooms: Rooms, student: Any, given: dict[str, Any]) -> None:
    """Who sleeps is passed over where all are meant, and refused where somebody is named."""
    rooms.run(playbook="rollout", student=student)
    assert rooms.given == given


def test_who_was_passed_over_is_told(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    def play(orders: Sequence[Order], *_: Any) -> list[Played]:
        for room, said in (("blue", ["anna is suspended."]), ("green", [])):
            (rooms.homes[room] / "stages.json").write_text(json.dumps({"places": [], "passed_over": said}))
        return [Played(each.room, "", 1.0, False) for each in orders]

    monkeypatch.setattr(playing, "play", play)
    rooms.run(playbook="rollout", student="all")
    assert "anna is suspended." in rooms.shown
    assert json.loads((rooms.homes["blue"].parent / "stages.json").read_text())["passed_over"] == ["anna is suspended."]


def test_who_sleeps_is_not_asked_for(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    asleep = places.changed(places.of_student("student-01", ""), state="suspended")
    monkeypatch.setattr(ActionModule, "_there", lambda _: {"blue": [asleep], "green": []})
    rooms.run(playbook="class", students=2)
    assert rooms.played == ["green plan", "blue class", "green class"]


def test_what_one_room_would_say_is_said_for_all_of_them(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ActionModule, "_there", lambda _: {"blue": [], "green": []})
    monkeypatch.setattr(context, "CLIARGS", {"inventory": ("mine.yml",)})
    assert rooms.run(playbook="status", student="all")["msg"] == (
        "There are no students in these rooms: make some with ansible-playbook -i mine.yml playbooks/rooms.yml "
        "-e playbook=class -e students=2, for example."
    )


def test_what_to_type_for_a_room_that_cannot_be_asked_names_it(tmp_path: Path) -> None:
    action = object.__new__(ActionModule)
    action._rooms = rooms_of_user.Rooms(tmp_path, "workshop")
    with pytest.raises(WorkshopError, match=r"ansible-playbook site.yml -e workshop_name=blue\)"):
        action._students("blue")
