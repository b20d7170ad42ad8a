"""The measurements name what is there."""

from __future__ import annotations

import importlib.machinery
import importlib.util
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]


def script(path: str) -> Any:
    """A script as a module."""
    loader = importlib.machinery.SourceFileLoader(path.replace("/", "_"), str(ROOT / path))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_stage_change_knows_the_task_that_is_the_stage() -> None:
    names = [task["name"] for task in yaml.safe_load((ROOT / "roles/traffic/tasks/stage.yml").read_text())]
    assert script("bench/stage_change/measure").STAGE in names
