"""The examples in docstrings are true."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path
from types import ModuleType

import pytest
from tests.unit.scripts import load

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = "ansible_collections.istio_games.workshop"
SCRIPTS = ("scripts/*", "bench/*", "bench/*/*")
EVERYWHERE = ("plugins/**/*.py", "services/**/*.py", "tests/**/*.py", *SCRIPTS)
FILES = {path for pattern in EVERYWHERE for path in ROOT.glob(pattern) if path.is_file() and path != Path(__file__)}
WITH_EXAMPLES = sorted(path for path in FILES if b">>> " in path.read_bytes())


def module(path: Path) -> ModuleType:
    """A plugin by its full name, anything else from its file."""
    relative = path.relative_to(ROOT)
    if relative.parts[0] == "plugins":
        return importlib.import_module(".".join([PLUGINS, *relative.with_suffix("").parts]))
    if relative.parts[0] == "tests":
        return importlib.import_module(".".join(relative.with_suffix("").parts))
    if relative.parts[0] == "services":
        parts = relative.with_suffix("").parts
        return importlib.import_module(".".join(parts[2 if parts[1] == "common" else 3 :]))
    loaded: ModuleType = load(path)
    return loaded


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples(path: Path) -> None:
    result = doctest.testmod(module(path))
    assert result.attempted > 0
    assert result.failed == 0
