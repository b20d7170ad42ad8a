"""The room's own programs in the cluster are given all that they import, and nothing is there but Python."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[4]
ROLE = ROOT / "roles" / "student"
PROGRAMS = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())["__student_programs"]


def test_all_programs_are_named() -> None:
    assert {path.name for path in (ROLE / "files").iterdir()} == {*PROGRAMS}


@pytest.mark.parametrize("program", PROGRAMS)
def test_it_is_given_all_that_it_imports(program: str) -> None:
    given = set(PROGRAMS[program])
    wings = ROOT / "plugins" / "plugin_utils"
    own = "ansible_collections.istio_games.workshop.plugins.plugin_utils."
    imported = set()
    for file in (ROLE / "files" / program, *(wings / path for path in given)):
        for node in ast.walk(ast.parse(file.read_text())):
            for module in _imported(node):
                if module.startswith(own):
                    imported.add(module.removeprefix(own).replace(".", "/") + ".py")
                else:
                    assert module.partition(".")[0] in sys.stdlib_module_names, f"{file.name} imports {module}"
    assert imported == given


def _imported(node: ast.AST) -> list[str]:
    """Name the modules that a statement imports."""
    if isinstance(node, ast.Import):
        return [each.name for each in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        wing = (ROOT / "plugins" / "plugin_utils" / node.module.rpartition("plugin_utils.")[2]).is_dir()
        return [
            f"{node.module}.{each.name}" if wing and "plugin_utils" in node.module else node.module
            for each in node.names
        ]
    return []
