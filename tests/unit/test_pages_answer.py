"""What a playbook tells people to click can be reached, or the playbook says that it cannot."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def play(directory: Path, page: socket.socket, *arguments: str) -> tuple[int, str]:
    """Play what waits for a page. Returns how it ended, and what was said."""
    _, port = page.getsockname()
    pages = [{"port": port, "path": "/backends"}]
    given = {"app_node_address": "127.0.0.1", "app_pages": pages, "__app_page_seconds": 1}
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {**given, "ansible_python_interpreter": sys.executable},
        "tasks": [{"ansible.builtin.include_tasks": str(ROOT / "roles/app/tasks/pages.yml")}],
    }
    file = directory / "play.yml"
    file.write_text(json.dumps([play]))
    done = subprocess.run(
        ["ansible-playbook", "-i", "localhost,", "-c", "local", file, *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize(
    ("listens", "arguments", "code", "said"),
    [
        pytest.param(True, (), 0, "changed=0", id="it can"),
        pytest.param(False, (), 2, "/backends cannot be reached from this machine within 1 s", id="it cannot"),
        pytest.param(False, ("--check",), 0, "changed=0", id="check mode waits for none"),
    ],
)
def test_a_page_that_is_told_can_be_reached(
    listens: bool, arguments: tuple[str, ...], code: int, said: str, tmp_path: Path
) -> None:
    with socket.socket() as page:
        page.bind(("127.0.0.1", 0))
        if listens:
            page.listen()
        ended, told = play(tmp_path, page, *arguments)
    assert ended == code, told
    assert said in told
