"""Whatever can say a command can name its room: what cannot (a module, which runs on a node) says none."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.istio_games.workshop.plugins.filter.bundle import FilterModule
from ansible_collections.istio_games.workshop.plugins.plugin_utils.commands import with_room

ROOT = Path(__file__).resolve().parents[2]
ON_NODES = sorted((ROOT / "plugins" / "module_utils").rglob("*.py"))
FILES = sorted(path for pattern in ("playbooks/*.yml", "roles/*/tasks/*.yml") for path in ROOT.glob(pattern))
TOLD = "istio_games.workshop.typed_for("
# Another machine's, which takes a kit and has its own rooms.
ELSEWHERE = "A machine takes it with"
# Filters that give sentences in which commands stand.
SENTENCES = re.compile(
    r"istio_games\.workshop\.(mesh_pods_without_proxy|mesh_version_problems|missing_wheels|traffic_problems)\b"
)


def names_none(text: str) -> bool:
    """Whether a command in it would get a room's name."""
    return bool(with_room(text, "blue") != text)


def texts(code: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)


@pytest.mark.parametrize("path", ON_NODES, ids=lambda path: path.name)
def test_what_runs_on_a_node_knows_no_room_and_says_no_command(path: Path) -> None:
    assert [text for text in texts(path.read_text()) if names_none(text)] == []


def messages(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("msg", "fail_msg") and isinstance(value, str):
                yield value
            yield from messages(value)
    elif isinstance(node, list):
        for each in node:
            yield from messages(each)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_command_in_a_message_of_a_task_names_its_room(path: Path) -> None:
    said = messages(yaml.safe_load(path.read_text()))
    assert [text for text in said if names_none(text) and TOLD not in text and ELSEWHERE not in text] == []


@pytest.mark.parametrize("role", sorted({path.parts[-3] for path in FILES if "roles" in path.parts}))
def test_sentences_of_filters_name_their_room(role: str) -> None:
    """What says a variable that such a filter gives, its name shows: problems, or what is missing."""
    files = [path for part in ("tasks", "vars") for path in (ROOT / "roles" / role / part).glob("*.yml")]
    if not any(SENTENCES.search(path.read_text()) for path in files):
        return
    said = [text for path in files for text in messages(yaml.safe_load(path.read_text()))]
    sentences = [text for text in said if re.search(r"_(problems|missing_\w+) \| join", text)]
    assert sentences
    assert [text for text in sentences if TOLD not in text] == []


def test_which_filters_may_say_a_command_is_known() -> None:
    """Where there is another one: SENTENCES has it, or it names the room itself."""
    own = re.compile(r"from ansible_collections\.istio_games\.workshop\.(\S+) import ([\w, ]+)")
    code = [path.read_text() for path in (ROOT / "plugins" / "filter").glob("*.py")]
    modules = [
        f"{package}.{name}" for text in code for package, names in own.findall(text) for name in names.split(", ")
    ]
    files = {ROOT / f"{module.replace('.', '/')}.py" for module in modules}
    speaking = {path.name for path in files if path.is_file() and any(map(names_none, texts(path.read_text())))}
    # Of the last two, filters have what says none.
    assert speaking == {"mesh_install.py", "wheels.py", "arguments.py", "contract.py", "kubeconfig.py", "stages.py"}


def test_a_bundle_that_cannot_be_used_is_said_with_the_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    bundle_images = FilterModule().filters()["bundle_images"]
    with pytest.raises(Exception, match=r'Type make up ARGS="-e workshop_name=blue", which gives'):
        bundle_images(str(tmp_path / "bundle"), "blue")
