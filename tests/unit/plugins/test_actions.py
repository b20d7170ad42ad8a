"""Action plugins: options come from the documentation, and every end of one is a result."""

from __future__ import annotations

import importlib
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions import base
from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.arguments import documented_spec, plain
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import connections
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import records

ROOT = Path(__file__).resolve().parents[3]
PLUGINS = "ansible_collections.istio_games.workshop.plugins"
ACTIONS = sorted(path.stem for path in (ROOT / "plugins" / "action").glob("*.py"))
READY = {"kubeconfig": "config", "namespace": "staging", "names": ["front"]}


class Action(base.WorkshopAction):
    """Has deployments_ready's options, and does what a test wants."""

    plugin = "deployments_ready"

    def __init__(self, options: Mapping[str, Any], *, check_mode: bool = False, end: Any = None) -> None:
        task = SimpleNamespace(args=dict(options), check_mode=check_mode, async_val=0, action="a", diff=False)
        connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir="unused"))
        templar = SimpleNamespace(template=lambda value: value)
        super().__init__(task, connection, SimpleNamespace(), None, templar, None)
        self._display = SimpleNamespace(vvv=lambda text: self.shown.append(text))
        self.end = end
        self.shown: list[str] = []
        self.seen: dict[str, Any] = {}

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        self.seen = dict(given)
        self.result["objects"] = ["DestinationRule staging/aleph"]
        if self.end:
            raise self.end
        return {"seconds": 1.5}


@pytest.fixture(autouse=True)
def living(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "end_with_parent", lambda: None)


def test_a_result_has_what_was_found_and_is_unchanged_unless_it_says_so() -> None:
    assert Action(READY).run() == {"changed": False, "seconds": 1.5, "objects": ["DestinationRule staging/aleph"]}


def test_options_are_those_of_the_documentation() -> None:
    action = Action({**READY, "names": "front,aleph"})
    action.run()
    assert action.seen == {"kubeconfig": "config", "namespace": "staging", "names": ["front", "aleph"], "timeout": 180}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"kubeconfig": "config", "namespace": "staging"}, "deployments_ready: missing required arguments: names"),
        ({**READY, "timeout": "soon"}, "deployments_ready: argument 'timeout' is of type "),
        (
            {**READY, "nmaes": []},
            "deployments_ready: unknown options: nmaes. Supported parameters include: ",
        ),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], sentence: str) -> None:
    action = Action(options)
    result = action.run()
    assert result["failed"]
    assert str(result["msg"]).startswith(sentence)
    assert action.seen == {}


def test_what_a_user_can_mend_fails_with_its_sentence_and_with_what_was_done() -> None:
    result = Action(READY, end=WorkshopError("No.", changed=True, held=3.0)).run()
    done = ["DestinationRule staging/aleph"]
    assert result == {"changed": True, "failed": True, "msg": "No.", "held": 3.0, "objects": done}


def test_what_a_student_has_written_moves_no_cursor() -> None:
    told = Action(READY, end=WorkshopError("aleph is at \x1b[2J\u202e.\nSo is\tbeth.")).run()["msg"]
    assert told == "aleph is at \\x1b[2J\\u202e.\nSo is\tbeth."


def test_a_fault_of_ours_is_one_sentence_and_its_traceback_is_for_those_who_ask() -> None:
    action = Action(READY, end=KeyError("callers"))
    result = action.run()
    assert result["failed"]
    assert result["objects"]
    assert result["msg"].startswith("deployments_ready met something that it does not know (KeyError: 'callers').")
    assert "Traceback" not in result["msg"]
    assert ["Traceback" in text for text in action.shown] == [True]


def test_ansible_says_its_own_errors_itself() -> None:
    with pytest.raises(AnsibleError, match="template"):
        Action(READY, end=AnsibleError("template")).run()


def test_what_cannot_be_tried_is_left_out_in_check_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Action(READY, check_mode=True).run()["seconds"] == 1.5
    monkeypatch.setattr(Action, "skipped_in_check_mode", "Nothing is done.")
    action = Action(READY, check_mode=True)
    assert action.run() == {"changed": False, "skipped": True, "msg": "Nothing is done."}
    assert action.seen == {}


def test_the_room_is_the_option_or_else_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Action, "plugin", "manifests")
    options = {"kubeconfig": "config", "manifests": []}
    for given, variables, room in (
        ({"room": "blue"}, {"workshop_name": "red"}, "blue"),
        ({}, {"workshop_name": "red"}, "red"),
        ({}, {}, ""),
    ):
        action = Action({**options, **given})
        action.run(task_vars=variables)
        assert action.room == room


def test_values_lose_the_tags_that_ansible_gives_them() -> None:
    class Tagged(str):
        __slots__ = ()

    value = plain({Tagged("a"): [Tagged("b"), 1, True, None, 0.5]})
    assert value == {"a": ["b", 1, True, None, 0.5]}
    assert [type(item) for item in (*value, *value["a"])] == [str, str, int, bool, type(None), float]
    assert yaml.safe_dump(value)


@pytest.mark.parametrize("name", ACTIONS)
def test_every_action_plugin_has_the_base_and_a_documentation_that_can_be_checked_with(name: str) -> None:
    assert issubclass(importlib.import_module(f"{PLUGINS}.action.{name}").ActionModule, base.WorkshopAction)
    spec = documented_spec(name)
    assert all(option.get("type") for option in spec.values())
    checked = ArgumentSpecValidator(spec).validate({})
    required = {option for option, is_like in spec.items() if is_like.get("required")}
    assert [error for error in checked.error_messages if "missing required" not in error] == []
    assert bool(required) == bool(checked.error_messages)


def test_no_action_plugin_writes_its_options_again() -> None:
    again = ("_VALID_ARGS", "validate_argument_spec", '"type":', "validate_arguments")
    texts = {name: (ROOT / "plugins" / "action" / f"{name}.py").read_text() for name in ACTIONS}
    assert [name for name, text in texts.items() if any(word in text for word in again)] == []


def test_the_action_group_has_whatever_takes_a_kubeconfig() -> None:
    _, *listed = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]["cluster"]
    assert listed == [name for name in ACTIONS if "kubeconfig" in documented_spec(name)]


def test_choices_are_those_of_the_code() -> None:
    caller = documented_spec("connection_check")["callers"]["options"]
    assert caller["speak"]["choices"] == list(connections.SPEAK)
    assert caller["expect"]["choices"] == [connections.REACHED, connections.REFUSED]
    assert documented_spec("traffic_stage")["stage"]["choices"] == list(records.STAGES)


def test_a_process_ends_when_its_parent_is_killed() -> None:
    child = f"from {PLUGINS}.plugin_utils.processes import end_with_parent as e; e(); print('ready', flush=True)"
    script = f"""
import subprocess, sys, os, signal, time
child = subprocess.Popen([sys.executable, "-c", {child + "; import time; time.sleep(60)"!r}], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=30)
    assert ended.returncode == -signal.SIGKILL
    status = Path(f"/proc/{ended.stdout.strip()}/status")
    for _ in range(100):
        if not status.exists() or "State:\tZ" in status.read_text():
            return
        signal.sigtimedwait([], 0.05)
    pytest.fail("the child outlived its parent")
