"""What comes before a room's first task takes one process for all nodes, however many there are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Play plan.yml for a room that is not there, of so many nodes."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def played(nodes: int, *arguments: str) -> subprocess.CompletedProcess[str]:
        workers = {f"worker-{each + 1}": None for each in range(nodes - 1)}
        inventory = {
            "controller": {"hosts": {"localhost": LOCAL}},
            "nodes": {
                "children": {"control_plane": {"hosts": {"control-plane": None}}, "workers": {"hosts": workers}},
                "vars": {"ansible_connection": "containers.podman.podman"},
            },
        }
        hosts = tmp_path / "hosts.yml"
        hosts.write_text(yaml.safe_dump({"all": {"children": inventory}}))
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        return subprocess.run(
            [program, "-i", str(hosts), "playbooks/plan.yml", *arguments],
            cwd=ROOT,
            env=os.environ | {"ANSIBLE_NOCOLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
        )

    return played


def test_a_hundred_nodes_are_planned_for(play: object) -> None:
    done = play(100, "-e", "students=30")  # type: ignore[operator]
    assert done.returncode == 0, done.stdout + done.stderr
    assert "for a room of 100 nodes that is not there yet" in done.stdout
    (recap,) = [line for line in done.stdout.splitlines() if line.startswith("localhost ")]
    assert "failed=0" in recap
    assert "\nworker-1 " not in done.stdout, "a node had a process of its own"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["-e", "students=0"], "students is '0', but must be a whole number"),
        (["-e", "students=30", "--limit=worker-1"], "--limit worker-1 would leave out hosts"),
        (["-e", "students=30", "-e", "workshop_namee=x"], "workshop_namee is not a setting of this playbook"),
    ],
)
def test_what_a_guard_refuses_is_one_sentence(play: object, arguments: list[str], sentence: str) -> None:
    done = play(3, *arguments)  # type: ignore[operator]
    assert done.returncode != 0
    assert sentence in " ".join((done.stdout + done.stderr).split())
