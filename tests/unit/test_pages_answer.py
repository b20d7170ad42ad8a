"""What a playbook tells people to click can be reached, or the playbook says that it cannot."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from tests.unit.task_file import play


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
        pages = [{"port": page.getsockname()[1], "path": "/backends"}]
        given = {"app_node_address": "127.0.0.1", "app_pages": pages, "__app_page_seconds": 1}
        ended, told = play("roles/app/tasks/pages.yml", given, tmp_path, *arguments)
    assert ended == code, told
    assert said in " ".join(told.split())
