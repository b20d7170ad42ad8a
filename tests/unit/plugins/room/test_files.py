"""A room's files are whole, whoever writes them at the same time."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import files


def test_two_who_write_the_same_file_do_not_hinder_each_other(tmp_path: Path) -> None:
    """status.yml may be played while class.yml is."""
    path = tmp_path / "room" / "class.json"

    def write(number: int) -> None:
        files.replace(path, f"{number}\n" * 1000)

    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(write, range(400)))
    assert len(set(path.read_text().splitlines())) == 1
    assert list(path.parent.iterdir()) == [path]
    assert stat.S_IMODE(path.stat().st_mode) == files.PRIVATE


def test_what_a_run_that_was_killed_has_left_hinders_nobody(tmp_path: Path) -> None:
    (tmp_path / "class.json.new").write_text("ha")
    files.replace(tmp_path / "class.json", "whole")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["whole"]
