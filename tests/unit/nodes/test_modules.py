"""Modules: their arguments are those of their documentation, and every end of one is a result."""

from __future__ import annotations

import importlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.module_utils import modules
from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.arguments import documented_spec

ROOT = Path(__file__).resolve().parents[3]
PLUGINS = "ansible_collections.istio_games.workshop.plugins"
ACTIONS = {path.stem for path in (ROOT / "plugins" / "action").glob("*.py")}
MODULES = sorted({path.stem for path in (ROOT / "plugins" / "modules").glob("*.py")} - ACTIONS)


class EndError(Exception):
    """How a module ended."""


class FakeModule:
    """Takes the place of AnsibleModule."""

    def __init__(self, **_options: Any) -> None:
        self.ended: dict[str, Any] = {}

    def fail_json(self, **result: Any) -> None:
        raise EndError({"failed": True, **result})

    def exit_json(self, **result: Any) -> None:
        raise EndError(result)


def ended(monkeypatch: pytest.MonkeyPatch, act: Callable[[Any, dict[str, Any]], None]) -> dict[str, Any]:
    monkeypatch.setattr(modules, "AnsibleModule", FakeModule)
    with pytest.raises(EndError) as end:
        modules.run("podman_room", {}, act)
    return dict(end.value.args[0])


@pytest.mark.parametrize("name", MODULES)
def test_a_module_checks_what_its_documentation_says(name: str) -> None:
    assert documented_spec(name) == importlib.import_module(f"{PLUGINS}.modules.{name}").ARGUMENTS


@pytest.mark.parametrize("name", MODULES)
def test_every_module_has_the_same_way_to_end(name: str) -> None:
    text = (ROOT / "plugins" / "modules" / f"{name}.py").read_text()
    assert f'run("{name}", ARGUMENTS, act)' in text
    assert "fail_json" not in text


def test_a_result_is_what_was_done(monkeypatch: pytest.MonkeyPatch) -> None:
    def act(_module: Any, result: dict[str, Any]) -> None:
        result |= {"changed": True, "removed": ["network"]}

    assert ended(monkeypatch, act) == {"changed": True, "removed": ["network"]}


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (WorkshopError("No."), "No."),
        (
            subprocess.CalledProcessError(125, ["podman", "rm"], stderr="in use\n"),
            "podman_room: podman rm failed (125): in use",
        ),
        (subprocess.CalledProcessError(1, "podman rm", stderr=b"in use"), "podman_room: podman rm failed (1): in use"),
        (subprocess.CalledProcessError(1, ["podman"]), "podman_room: podman failed (1): without a word"),
        (FileNotFoundError(2, "No such file", "/x"), "podman_room: [Errno 2] No such file: '/x'."),
        (KeyError("Id"), "podman_room met something that it does not know (KeyError: 'Id'). That is a fault of "),
    ],
)
def test_a_failure_is_one_sentence_and_what_was_done(
    monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    def act(_module: Any, result: dict[str, Any]) -> None:
        result |= {"changed": True, "removed": ["network"]}
        raise error

    result = ended(monkeypatch, act)
    assert result["failed"]
    assert result["removed"] == ["network"]
    assert result["msg"].startswith(sentence)
    assert "Traceback" not in result["msg"]
