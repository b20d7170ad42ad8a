"""A role's task file, played by itself on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def play(task_file: str, variables: Mapping[str, Any], directory: Path, *arguments: str) -> tuple[int, str]:
    """Play it, named as in the project, with what the role would have; how it ended, and all that Ansible prints."""
    plays = [
        {
            "hosts": "localhost",
            "gather_facts": False,
            "vars": {**variables, "ansible_python_interpreter": sys.executable},
            "tasks": [{"ansible.builtin.include_tasks": str(ROOT / task_file)}],
        }
    ]
    file = directory / "play.yml"
    file.write_text(json.dumps(plays))
    done = subprocess.run(
        ["ansible-playbook", "-i", "localhost,", "-c", "local", file, *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr
