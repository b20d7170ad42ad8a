"""A kit's file is written by one run at a time, whatever caches they use, which says how far it is."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import threading
from contextlib import nullcontext
from pathlib import Path

import pytest
from tests.small_kit import SmallKit

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import how_far, kit_reader, kit_writer


@pytest.fixture
def bench(tmp_path: Path) -> SmallKit:
    return SmallKit.make(tmp_path)


def test_runs_with_different_caches_write_one_file_in_turn(bench: SmallKit) -> None:
    """Each writes all of it, and nothing is left beside it."""
    said: list[str] = []
    order: list[str] = []

    def later() -> None:
        with kit_writer.one_writer(bench.file, said.append):
            order.append("later")
            bench.write()

    with kit_writer.one_writer(bench.file, said.append):
        thread = threading.Thread(target=later)
        thread.start()
        while not said:
            thread.join(0.01)
        bench.write()
        order.append("first")
    thread.join()
    assert (order, said) == (["first", "later"], [f"waiting for another run that writes {bench.file} to end"])
    assert [path.name for path in bench.directory.glob(".*")] == []
    bench.take(bench.file)


@pytest.mark.parametrize(
    ("number", "said"), [(errno.ENOLCK, None), (errno.ENOTSUP, None), (errno.EIO, "Input/output error")]
)
def test_a_file_system_without_locks_takes_a_kit_too(
    number: int, said: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(file: int, how: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with (
        pytest.raises(OSError, match=said) if said else nullcontext(),
        kit_writer.one_writer(tmp_path / "a.kit", print),
    ):
        assert not said


def test_how_far_a_kit_is_is_said(bench: SmallKit, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(how_far, "_SAY_EVERY", -1.0)
    kit_writer.write(bench.file, bench.manifest, bench.tops, said.append)
    assert said[-1] == "written: 2 of 2 MB"
    kit_reader.unpack(bench.file, {}, said.append)
    assert re.fullmatch(r"compared: \d of 2 MB", said[-1])
