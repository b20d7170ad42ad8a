"""One run at a time is at work on a room."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import lock

HOLDER = """
import os, sys, time
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import lock
lock.hold(sys.argv[1], print)
lock.hold(sys.argv[1], print)
if "worker" in sys.argv and os.fork():
    os._exit(0)
if "program" in sys.argv:
    import subprocess
    print(subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL).pid, flush=True)
    os._exit(0)
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def room() -> str:
    return f"test-{uuid.uuid4().hex[:12]}"


def start(room: str, *words: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, room, *words], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    process.first = process.stdout.readline().strip()  # type: ignore[attr-defined]
    return process


@pytest.fixture
def other(room: str) -> Iterator[subprocess.Popen[str]]:
    process = start(room)
    yield process
    process.kill()
    process.communicate()


def test_a_second_run_is_refused_and_told_who_is_at_work(room: str, other: subprocess.Popen[str]) -> None:
    said: list[str] = []
    with pytest.raises(lock.LockError) as refused:
        lock.hold(room, said.append, seconds=0)
    assert f"at work on the room {room} (process {other.pid}): nothing was changed" in str(refused.value)


def test_it_waits_and_says_so_once(room: str, other: subprocess.Popen[str]) -> None:
    said: list[str] = []

    def kill(text: str) -> None:
        said.append(text)
        other.kill()

    lock.hold(room, kill)
    assert said == [
        f"Another ansible-playbook is at work on the room {room} (process {other.pid}): waiting up to 60 s for it."
    ]


def test_another_room_is_not_concerned(room: str, other: subprocess.Popen[str]) -> None:
    lock.hold(f"{room}-2", pytest.fail, seconds=0)


def test_what_a_killed_run_has_started_is_waited_for(room: str) -> None:
    worker = start(room, "worker")
    worker.wait()
    with pytest.raises(lock.LockError, match="it was killed, and is still ending"):
        lock.hold(room, lambda _: None, seconds=0)
    os.killpg(worker.pid, signal.SIGKILL)
    worker.communicate()
    lock.hold(room, lambda _: None)


def test_a_program_that_was_started_holds_nothing(room: str) -> None:
    run = start(room, "program")
    run.communicate()
    try:
        lock.hold(room, pytest.fail, seconds=0)
    finally:
        os.kill(int(run.first), signal.SIGKILL)  # type: ignore[attr-defined]
