"""A command that people are told to type is for the room that it is about, whatever others there are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible import constants, context
from ansible.parsing.dataloader import DataLoader

from ansible_collections.istio_games.workshop.plugins.filter.room import typed_for
from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils import progress
from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions import base
from ansible_collections.istio_games.workshop.plugins.plugin_utils.commands import NAME, about, with_room
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.addressed import addressed

BLUE = "-e workshop_name=blue"


@pytest.fixture(autouse=True)
def nobody_is_told() -> Iterator[None]:
    yield
    about()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "istio-workshop"


def make(home: Path, rooms: Sequence[str]) -> None:
    for room in rooms:
        (home / room).mkdir(parents=True)
        (home / room / "room.yml").write_text(json.dumps({"settings": {}, "inventory": []}))


class Action(base.WorkshopAction):
    """Says a command in each way in which one is said."""

    plugin = "deployments_ready"
    said = "Next: ansible-playbook playbooks/mirror.yml -e student=anna"

    def __init__(self, room: str) -> None:
        options = {"kubeconfig": "config", "namespace": "staging", "names": ["front"]}
        task: Any = SimpleNamespace(args=options, check_mode=False, async_val=0, action="a", diff=False)
        connection: Any = SimpleNamespace(_shell=SimpleNamespace(tmpdir="unused"))
        templar: Any = SimpleNamespace(template=lambda value: value)
        super().__init__(task, connection, SimpleNamespace(), DataLoader(), templar, None)
        self._room = room

    def act(self, given: Any) -> dict[str, Any]:
        progress.show([self.said])
        progress.say(self.said)
        self.result["written"] = addressed(self.said, "anna")
        raise WorkshopError(self.said)

    def told(self) -> set[str]:
        """Give all that was said."""
        result = self.run(task_vars={"workshop_name": self._room})
        return {result["msg"], result["written"]}


@pytest.mark.parametrize(
    ("rooms", "room", "named"),
    [
        ([], "workshop", False),
        (["workshop"], "workshop", False),
        (["blue"], "blue", False),
        # Without its name, the room called workshop would be meant, or none.
        (["blue", "workshop"], "blue", True),
        (["blue", "green"], "blue", True),
        (["workshop"], "blue", True),
        (["blue", "workshop"], "workshop", False),
        ([], "no name at all", False),
    ],
)
def test_a_command_names_its_room_where_another_would_be_meant(
    home: Path, monkeypatch: pytest.MonkeyPatch, rooms: list[str], room: str, named: bool
) -> None:
    make(home, rooms)
    shown: list[str] = []
    monkeypatch.setattr(base, "end_with_parent", lambda: None)
    monkeypatch.setattr(progress, "_display", SimpleNamespace(display=shown.append))
    option = f" -e workshop_name={room}" if named else ""
    wanted = f"Next: ansible-playbook playbooks/mirror.yml{option} -e student=anna"
    assert Action(room).told() == {wanted}
    assert shown[0] == wanted
    assert shown[1].endswith(wanted)
    assert typed_for(Action.said, room) == wanted
    assert with_room(Action.said) == Action.said  # of no room any more


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("ansible-playbook rollout.yml -e weight=5.", f"ansible-playbook rollout.yml {BLUE} -e weight=5."),
        ("(ansible-playbook site.yml), or", f"(ansible-playbook site.yml {BLUE}), or"),
        ("type make up, which", f'type make up ARGS="{BLUE}", which'),
        ("(make down), then make up brings", f'(make down ARGS="{BLUE}"), then make up ARGS="{BLUE}" brings'),
        ('make up ARGS="-e weight=1"', f'make up ARGS="{BLUE} -e weight=1"'),
        ("make up ARGS='-e weight=1'", f"make up ARGS='{BLUE} -e weight=1'"),
        *(
            (said, said)
            for said in (
                "ansible-playbook playbooks/remove.yml -e workshop_name=green -e student=anna",
                "ansible-playbook playbooks/remove.yml -e student=anna -e workshop_name=green",
                'make up ARGS="-e a=1 -e workshop_name=green"',
                "make up ARGS='-e workshop_name=green ...'",
                "ansible-playbook -i rooms.yml playbooks/rooms.yml -e playbook=class",
                "playbooks/status.yml says it",
                "Another ansible-playbook is at work",
            )
        ),
    ],
)
def test_each_command_names_the_room_once(said: str, wanted: str) -> None:
    assert with_room(said, "blue") == wanted
    assert with_room(wanted, "blue") == wanted


def test_a_student_and_a_room_are_named_in_either_order() -> None:
    about(lambda: "blue")
    said = addressed(addressed({"next": ["ansible-playbook playbooks/mirror.yml"]}, "anna"), "anna")
    assert said == {"next": [f"ansible-playbook playbooks/mirror.yml {BLUE} -e student=anna"]}


@pytest.mark.parametrize("student", ["anna,ben", "anna, ben", ["anna", "ben"]])
def test_what_is_judged_before_anybody_is_looked_at_names_who_was_typed(home: Path, student: Any) -> None:
    make(home, ["blue", "workshop"])
    said = typed_for("type ansible-playbook rollout.yml -e weight=50.", "blue", student)
    assert said == f"type ansible-playbook rollout.yml {BLUE} -e student=anna,ben -e weight=50."


def test_whatever_was_typed_for_a_student_is_said_as_it_is() -> None:
    assert addressed("ansible-playbook rollout.yml", r"\1") == r"ansible-playbook rollout.yml -e student=\1"


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (
            "ansible-playbook rollout.yml -e weight=5.",
            "ansible-playbook -i h.yml istio_games.workshop.rollout -e a -e weight=5.",
        ),
        ("(ansible-playbook playbooks/mesh.yml), or", "(ansible-playbook -i h.yml istio_games.workshop.mesh -e a), or"),
        ("run `make up`, then", "run ansible-playbook -i h.yml istio_games.workshop.site -e a, then"),
        (
            'make down ARGS="-e purge=true" again',
            "ansible-playbook -i h.yml istio_games.workshop.teardown -e a -e purge=true again",
        ),
        (
            "ansible-playbook -i r.yml playbooks/rooms.yml -e playbook=class",
            "ansible-playbook -i r.yml istio_games.workshop.rooms -e playbook=class",
        ),
        ("playbooks/status.yml says it", "playbooks/status.yml says it"),
    ],
)
def test_who_plays_by_name_is_told_names(monkeypatch: pytest.MonkeyPatch, said: str, wanted: str) -> None:
    given = {"args": ("istio_games.workshop.mirror",), "inventory": ["h.yml"]}
    monkeypatch.setattr(context, "CLIARGS", given)
    wanted = wanted.replace("-e a", BLUE)
    assert with_room(said, "blue") == wanted
    assert with_room(wanted, "blue") == wanted
    monkeypatch.setattr(constants, "DEFAULT_HOST_LIST", ["h.yml"])  # nothing was typed
    assert with_room(said, "blue") == wanted.replace("-i h.yml ", "")
    monkeypatch.setattr(context, "CLIARGS", {**given, "args": ("playbooks/mirror.yml",)})
    assert NAME not in with_room(said, "blue")


def test_who_plays_by_name_is_told_the_room_by_a_task_too(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(home, ["blue", "workshop"])
    monkeypatch.setattr(context, "CLIARGS", {"args": ("istio_games.workshop.mirror",), "inventory": ["h.yml"]})
    said = typed_for("Next: ansible-playbook playbooks/mirror.yml", "blue", "anna")
    assert said == f"Next: ansible-playbook -i h.yml istio_games.workshop.mirror {BLUE} -e student=anna"
