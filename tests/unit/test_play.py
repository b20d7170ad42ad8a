"""A test that kills a playbook has killed it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from tests.acceptance.play import Running


def test_what_runs_is_killed() -> None:
    running = Running(["sleep", "60"], Path("/"), {})
    assert running.kill().code == -signal.SIGKILL


def test_what_had_ended_was_not() -> None:
    running = Running(["true"], Path("/"), {})
    running.wait(10)
    with pytest.raises(AssertionError, match="ended before it was killed"):
        running.kill()
