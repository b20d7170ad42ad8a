"""The student's guide is what docs/deck.yml says, and every expectation in it can be looked for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.unit.scripts import load

ROOT = Path(__file__).resolve().parents[2]
KEYS = {"title", "type", "see", "why", "picture", "alt", "within", "deck", "waived", "fails"}


def guide() -> Any:
    """The script as a module."""
    return load(ROOT / "scripts/student_guide")


def test_the_pages_are_what_the_data_says() -> None:
    written = {path.name: path.read_text() for path in (ROOT / "docs/student").glob("*.md")}
    assert written == guide().pages(), "run .venv/bin/python scripts/student_guide"


def test_every_step_has_something_to_see() -> None:
    script = guide()
    for chapter in script.deck(script.settings())["chapters"]:
        assert chapter["steps"], chapter["id"]
        for step in chapter["steps"]:
            assert set(step) <= KEYS, step
            assert step["title"], step
            assert step["see"], step
            assert ("picture" in step) == ("alt" in step), step
            assert (ROOT / "docs/images" / step.get("picture", "front.png")).is_file(), step
            for pattern in step["see"]:
                re.compile(pattern)


def test_the_playbooks_that_are_typed_exist() -> None:
    text = (ROOT / "docs/deck.yml").read_text()
    playbooks = set(re.findall(r"ansible-playbook (\S+\.yml)", text))
    assert len(playbooks) > 8
    assert not [name for name in playbooks if not (ROOT / name).is_file()]
