"""The measurements name what is there."""

from __future__ import annotations

from pathlib import Path

import yaml
from tests.unit.scripts import load

ROOT = Path(__file__).resolve().parents[2]


def test_stage_change_knows_the_task_that_is_the_stage() -> None:
    names = [task["name"] for task in yaml.safe_load((ROOT / "roles/traffic/tasks/stage.yml").read_text())]
    assert load(ROOT / "bench/stage_change/measure").STAGE in names
