"""Whatever lets pods of places begin is judged by the plan first: a class, one late joiner, and those who are woken, or
are made anew while they sleep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2.nativetypes
import pytest
import yaml

ROOT = Path(__file__).parents[4]
STUDENT = "istio_games.workshop.student"
WORKS = {"class": "make", "resume": "resume", "reset": "reset"}


def tasks_of(playbook: str) -> list[dict[str, Any]]:
    """Give a playbook's tasks, and those of its blocks."""
    plays = yaml.safe_load((ROOT / "playbooks" / f"{playbook}.yml").read_text())
    return [task for play in plays for each in play.get("tasks", ()) for task in each.get("block", [each])]


@pytest.mark.parametrize(("playbook", "work"), WORKS.items())
def test_it_is_planned_before_it_is_done_whoever_is_meant(playbook: str, work: str) -> None:
    roles = [
        (task["ansible.builtin.include_role"].get("tasks_from", "main"), task.get("vars", {}), task.get("when"))
        for task in tasks_of(playbook)
        if task.get("ansible.builtin.include_role", {}).get("name") == STUDENT
    ]
    same = {} if work == "make" else {"student_work": work}
    assert roles == [("look", same, None), ("plan", {**same, "student_plan_refuses": True}, None), ("main", same, None)]


def place(name: str, state: str = "ready") -> dict[str, str]:
    return {"name": name, "state": state}


@pytest.mark.parametrize(
    ("known", "planned"),
    [
        pytest.param({"student_wanted": 30}, 30, id="a number, before there is a room"),
        pytest.param({"student_named": "zoe"}, "zoe", id="a name, before there is a room"),
        pytest.param({}, "", id="nobody: it is said"),
        pytest.param({"student_wanted": []}, [], id="an empty list: it is said"),
        pytest.param({"places": [place("zoe", "making")]}, ["zoe"], id="one late joiner"),
        pytest.param({"places": [place("anna"), place("zoe", "making")]}, ["anna", "zoe"], id="two"),
        pytest.param({"places": [place("anna", "suspended"), place("zoe")]}, ["zoe"], id="who sleeps is not made"),
        pytest.param({"places": [place("anna", "suspended")]}, [], id="nobody is made: nothing is asked"),
        pytest.param({"places": [place("anna", "suspended")], "work": "resume"}, ["anna"], id="who sleeps is woken"),
        pytest.param(
            {"places": [place("anna", "suspended"), place("zoe")], "work": "reset"},
            ["anna"],
            id="who sleeps is made anew",
        ),
        pytest.param(
            {"places": [place("zoe"), place("ben", "failed"), place("eva", "making")], "work": "reset"},
            [],
            id="who has pods has them again: nothing is asked",
        ),
    ],
)
def test_who_is_planned_for(known: dict[str, Any], planned: Any) -> None:
    task, _ = yaml.safe_load((ROOT / "roles" / "student" / "tasks" / "plan.yml").read_text())
    meant = {"__student_meant": {"places": known["places"]}} if "places" in known else {}
    variables = {"student_wanted": None, "student_named": None, "student_work": known.get("work", "make"), **meant}
    environment = jinja2.nativetypes.NativeEnvironment()
    found = environment.from_string(task["vars"]["__student_planned"].strip()).render({**variables, **known})
    assert (list(found) if hasattr(found, "__next__") else found) == planned
    asked = environment.from_string(f"{{{{ {task['when']} }}}}").render({**meant, "__student_planned": planned})
    assert asked is (planned != [] or not meant)


@pytest.mark.parametrize("playbook", WORKS)
def test_the_machine_is_raised_to_what_the_plan_counts_with_after_it_was_judged(playbook: str) -> None:
    roles = [
        (each["name"].rpartition(".")[2], each.get("tasks_from", "main"))
        for task in tasks_of(playbook)
        if (each := task.get("ansible.builtin.include_role"))
    ]
    raised = roles.index(("node_containers", "processes"))
    assert roles.index(("student", "plan")) < raised < roles.index(("student", "main"))
    plan = yaml.safe_load((ROOT / "plugins" / "modules" / "class_plan.py").read_text().split('r"""')[1].split('"""')[0])
    defaults = yaml.safe_load((ROOT / "roles" / "node_containers" / "defaults" / "main.yml").read_text())
    assert plan["options"]["pid_max"]["default"] == defaults["node_containers_sysctls"]["kernel.pid_max"]


# What only looks; the rest changes something.
LOOKING = [("preflight", "cluster"), ("student", "look"), ("student", "plan"), ("preflight", "ownership")]


@pytest.mark.parametrize("playbook", sorted(WORKS))
def test_all_is_judged_before_anything_is_changed(playbook: str) -> None:
    roles = [
        (each["name"].rpartition(".")[2], each.get("tasks_from", "main"))
        for task in tasks_of(playbook)
        for key in ("ansible.builtin.include_role", "ansible.builtin.import_role")
        if (each := task.get(key))
    ]
    changing = [index for index, role in enumerate(roles) if role not in LOOKING]
    assert changing
    assert not [role for role in roles[changing[0] :] if role in LOOKING]


@pytest.mark.parametrize(("silent", "asked"), [([], True), (["worker-2"], True), (["worker-1"], False)])
def test_a_node_that_does_not_answer_is_asked_nothing(silent: list[str], asked: bool) -> None:
    """Ansible ends a play whose host cannot be reached: one node would keep everybody from getting a place."""
    plays = yaml.safe_load((ROOT / "playbooks" / "class.yml").read_text())
    (when,) = [task["when"] for play in plays if play.get("hosts") == "nodes" for task in play["tasks"]]
    hosts = {"hostvars": {"localhost": {"student_silent_nodes": silent}}, "groups": {"controller": ["localhost"]}}
    given = {"workshop_own_nodes": True, "inventory_hostname": "worker-1", **hosts}
    found: Any = jinja2.nativetypes.NativeEnvironment().from_string(f"{{{{ {when} }}}}").render(given)
    assert found is asked
