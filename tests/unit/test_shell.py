"""Shell scripts that are templates are shell scripts."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted(path for path in ROOT.glob("roles/**/*.j2") if re.match(r"#!.*\b(ba|da)?sh\n", path.read_text()))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_shellcheck_finds_nothing(path: Path) -> None:
    text = re.sub(r"\{[%#].*?[%#]\}\n?", "", path.read_text(), flags=re.DOTALL)
    script = re.sub(r"\{\{.*?\}\}", "value", text)
    # Warnings alone: what a file that it sources holds, it cannot know.
    command = [str(Path(sys.executable).with_name("shellcheck")), "--severity=warning", "-"]
    done = subprocess.run(command, input=script, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def test_there_are_some() -> None:
    assert len(TEMPLATES) > 5
