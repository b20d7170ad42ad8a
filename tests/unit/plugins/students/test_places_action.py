"""Which places a command is for is told with what is left of them, and before anything is made."""

from __future__ import annotations

import json
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


@pytest.fixture
def refused(tmp_path: Path) -> None:
    """carl was to have a place, as class.json remembers, and so was dora, whose namespace has become free."""
    students = [{"name": name} for name in ("anna", "carl", "dora", "../x")]
    (tmp_path / "class.json").write_text(json.dumps({"room": "blue", "students": students}))


@pytest.mark.usefixtures("refused")
@pytest.mark.parametrize(
    ("purpose", "student", "told"),
    [
        ("use", "all", ["anna", "carl"]),
        ("use", "carl", ["carl"]),
        ("change", "all", ["anna"]),
        ("change", ["carl", "anna"], "carl has no place. The namespace carl is somebody else's: "),
        ("remove", "all", ["anna", "carl", "ben"]),
        ("remove", "carl", ["carl"]),
        ("change", "dora", "There is no student 'dora'"),
    ],
)
def test_whose_namespace_is_somebody_else_s_can_be_removed_and_looked_at(
    ask: Any, purpose: str, student: Any, told: list[str] | str
) -> None:
    found = ask(purpose=purpose, student=student)
    if isinstance(told, str):
        assert found["msg"].startswith(told)
        return
    assert names(found) == told
    states = {each["name"]: (each["state"], each["taken"]) for each in found["students"]}
    assert states == {"anna": ("making", False), "carl": ("failed", True)}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "\udcff",
        '{"room": "blue"}',
        '{"room": "blue", "students": [3]}',
        "[" * 100_000,
        '{"room": "green", "students": [{"name": "carl"}]}',
        '{"room": "blue", "students": {"name": "carl"}}',
    ],
)
def test_what_somebody_else_has_written_into_the_file_is_nobody(ask: Any, tmp_path: Path, text: str) -> None:
    (tmp_path / "class.json").write_text(text, errors="surrogateescape")
    assert [each["name"] for each in ask()["students"]] == ["anna"]
