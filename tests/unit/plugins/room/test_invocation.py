"""How ansible-playbook was called: what it would leave out in silence is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.cli.playbook import PlaybookCLI

from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.invocation import (
    RELIED_ON,
    Setting,
    only_shows,
    problems,
    two_copies,
)

SETTINGS = {name: Setting(allowed[0], "default") for name, (allowed, _) in RELIED_ON.items()}
USUAL = {"tags": ("all",), "skip_tags": (), "subset": None, "start_at_task": None, "step": False, "connection": "ssh"}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tags": ()},
        {"skip_tags": ("molecule-notest", "notest")},
        {"connection": "smart"},
        {"become": True},
        {"verbosity": 3},
    ],
)
def test_what_leaves_nothing_out_is_taken(options: dict[str, Any]) -> None:
    assert problems(USUAL | options, SETTINGS) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"subset": "control-plane"}, "--limit control-plane would leave out hosts"),
        ({"subset": "localhost"}, "--limit localhost would leave out hosts"),
        ({"tags": ("stage",)}, "--tags stage would do nothing"),
        ({"tags": ("always",)}, "--tags always would do nothing"),
        ({"tags": ("all", "stage")}, "--tags all,stage would do nothing"),
        ({"skip_tags": ("always", "x")}, "--skip-tags always would leave out everything"),
        ({"skip_tags": ("untagged",)}, "--skip-tags untagged would leave out everything"),
        ({"start_at_task": "Run the registry"}, "--start-at-task 'Run the registry' would leave out"),
        ({"step": True}, "--step would leave out tasks"),
        ({"connection": "local"}, "-c local (or ANSIBLE_TRANSPORT) would make this machine each of the nodes"),
    ],
)
def test_what_would_leave_something_out_is_one_sentence(options: dict[str, Any], said: str) -> None:
    (sentence,) = problems(USUAL | options, SETTINGS)
    assert sentence.startswith(said)


@pytest.mark.parametrize(
    ("name", "value"), [("DEFAULT_HASH_BEHAVIOUR", "merge"), ("DEFAULT_STRATEGY", "free"), ("TASK_TIMEOUT", 30)]
)
def test_a_setting_of_ansibles_that_changes_the_meaning_is_named_with_its_source(name: str, value: Any) -> None:
    (sentence,) = problems(USUAL, SETTINGS | {name: Setting(value, "env: ANSIBLE_X")})
    assert sentence.startswith(f"Ansible's {name} is {value!r} (env: ANSIBLE_X), but must be {RELIED_ON[name][0][0]!r}")


def test_every_mistake_is_told_at_once() -> None:
    assert len(problems(USUAL | {"subset": "x", "step": True, "tags": ("y",)}, SETTINGS)) == 3


def checkout(directory: Path) -> Path:
    (directory / "roles/room").mkdir(parents=True)
    (directory / "playbooks").mkdir()
    return directory


def test_a_playbook_is_played_with_the_roles_beside_it(tmp_path: Path) -> None:
    one, other = checkout(tmp_path / "one"), checkout(tmp_path / "other")
    (tmp_path / "link").symlink_to(one)
    for playbooks in (one / "playbooks", one, tmp_path / "link/playbooks", tmp_path):
        assert two_copies(playbooks, one) == []
    (sentence,) = two_copies(other / "playbooks", one)
    assert sentence.startswith(f"The playbook is in {other}, but Ansible would take its roles from {one}")


@pytest.mark.parametrize(
    ("words", "only"),
    [([], False), (["--check"], False), (["--syntax-check"], True), (["--list-hosts"], True), (["--list-tasks"], True),
     (["--list-tags"], True)],
)  # fmt: skip
def test_what_only_shows_playbooks_holds_no_room(words: list[str], only: bool) -> None:
    command = PlaybookCLI(["ansible-playbook"])
    command.init_parser()
    assert only_shows(vars(command.parser.parse_args([*words, "site.yml"]))) is only
