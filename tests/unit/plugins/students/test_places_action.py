"""Which places a command is for is told with what is left of them, and before anything is made."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.action.student_places import ActionModule
from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions import base
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import owner_labels
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import register

NAMESPACES = "/api/v1/namespaces"


@pytest.fixture
def ask(api: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the action in a room where anna has a place, ben has left files, and carl's name is somebody else's."""
    api.put(f"{NAMESPACES}/anna", metadata={"labels": {**owner_labels("blue"), register.STUDENT: "anna"}})
    api.put(f"{NAMESPACES}/carl")
    api.put(f"{NAMESPACES}/student-07")
    (tmp_path / "students" / "ben").mkdir(parents=True)
    monkeypatch.setattr(base, "end_with_parent", lambda: None)

    def run(**options: Any) -> dict[str, Any]:
        args = {"kubeconfig": "config", "namespace": "staging", "state_dir": str(tmp_path), **options}
        task = SimpleNamespace(args=args, check_mode=True, async_val=0, action="a", diff=False)
        connection: Any = SimpleNamespace(_shell=SimpleNamespace(tmpdir="unused"))
        nothing: Any = SimpleNamespace()
        action = ActionModule(task, connection, nothing, None, nothing, None)
        action.__dict__.update(api=api, room="blue")
        return action.run()

    return run


def names(found: dict[str, Any]) -> list[str]:
    return [each["name"] for each in found["places"]]


@pytest.mark.parametrize(("student", "meant", "everybody"), [("ben", ["ben"], False), (["all"], ["anna", "ben"], True)])
def test_who_has_left_nothing_but_files_can_be_removed(
    ask: Any, student: Any, meant: list[str], everybody: bool
) -> None:
    found = ask(purpose="remove", student=student)
    assert (names(found), found["all"]) == (meant, everybody)
    assert [each["name"] for each in found["students"]] == ["anna"]


def test_and_nothing_else_can_be_done_with_them(ask: Any) -> None:
    assert "There is no student 'ben'" in ask(purpose="change", student="ben")["msg"]
    assert names(ask(purpose="change", student="all")) == ["anna"]


def test_a_name_that_is_somebody_else_s_is_said_before_anything_is_made(ask: Any) -> None:
    assert names(ask(purpose="make", students="anna,dora")) == ["anna", "dora"]
    assert names(ask(purpose="make", students=["anna", 7])) == ["anna", "student-07"], "a numbered place fails alone"
    told = ask(purpose="make", students="anna,carl,dora")
    assert told["failed"]
    assert told["msg"].startswith("The namespace carl is somebody else's")


def test_a_removal_of_all_that_was_killed_at_its_end_goes_on(ask: Any, api: Any, tmp_path: Path) -> None:
    api.objects.pop(f"{NAMESPACES}/anna")
    (tmp_path / "students" / "ben").rmdir()
    assert names(ask(purpose="remove", student="all")) == []
    assert "There is no student 'anna'" in ask(purpose="remove", student="anna")["msg"]
    assert "There are no students" in ask(purpose="change", student="all")["msg"]
