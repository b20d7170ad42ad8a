"""A playbook is played in each room by an ansible-playbook of its own; its progress and its fault are told."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import playing
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.playing import Order

PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: "{{ workshop_name }} has {{ student | join('+') }}"
    - ansible.builtin.fail:
        msg: |
          It does not fit.
          Take fewer.
      when: workshop_name == 'green'
"""


@pytest.fixture
def playbook(tmp_path: Path) -> Path:
    path = tmp_path / "play.yml"
    path.write_text(PLAYBOOK)
    return path


def test_each_room_is_played_and_one_that_fails_hinders_no_other(playbook: Path, tmp_path: Path) -> None:
    names = ("blue", "green")
    orders = [Order(room, playbook, {"student": ["anna", "ben"]}, tmp_path / f"{room}.log") for room in names]
    blue, green = playing.play(orders, ["-i", "localhost,", "-c", "local"], 2, lambda _: None)
    assert (blue.room, blue.fault, blue.changed) == ("blue", "", False)
    assert green.fault == "It does not fit.\nTake fewer."
    assert stat.S_IMODE((tmp_path / "blue.log").stat().st_mode) == 0o600
    assert "blue has anna+ben" in (tmp_path / "blue.log").read_text()


@pytest.mark.parametrize("changed", [True, False])
def test_whether_a_room_has_changed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: bool) -> None:
    # However people want to see it.
    monkeypatch.setenv("ANSIBLE_FORCE_COLOR", "true")
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", "minimal")
    path = tmp_path / "play.yml"
    task = f"{{ansible.builtin.debug: {{msg: x}}, changed_when: {str(changed).lower()}}}"
    path.write_text(f"- {{hosts: localhost, gather_facts: false, tasks: [{task}]}}\n")
    order = Order("blue", path, {}, tmp_path / "blue.log")
    (blue,) = playing.play([order], ["-i", "localhost,", "-c", "local"], 1, lambda _: None)
    assert (blue.fault, blue.changed) == ("", changed)


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (["[ERROR]: Task failed: Action failed: No.", "Nor that.", "Origin: /x"], "No.\nNor that."),
        (["[ERROR]: the playbook: x.yml could not be found"], "the playbook: x.yml could not be found"),
        (["TASK [x]", "ok: [localhost]"], ""),
        ([], ""),
    ],
)
def test_a_fault_is_what_the_last_error_says(lines: list[str], fault: str) -> None:
    assert playing._fault(lines) == fault


def test_progress_is_told() -> None:
    said: list[str] = []
    text = "TASK [x]\\n12:00:00 student-01: ready (1 of 2)\\n[ERROR]: no\\n"
    with subprocess.Popen(["printf", text], stdout=subprocess.PIPE, text=True) as running:
        lines = playing._followed(running, lambda _: None, said.append)
    assert said == ["student-01: ready (1 of 2)"]
    assert lines == ["[ERROR]: no"]
