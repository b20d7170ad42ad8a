"""A playbook that is being played, and what it did."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

RECAP = re.compile(r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)
# What nobody should have to read.
TRACEBACK = re.compile(r"Traceback \(most recent call last\)|Unexpected failure|object has no attribute|KeyError:")


@dataclasses.dataclass(frozen=True)
class Played:
    """What a playbook did. `code` is the command's exit code, negative the number of the signal that ended it."""

    code: int
    output: str
    seconds: float

    @property
    def changed(self) -> int:
        """Changed tasks, over all hosts."""
        return sum(int(found[2]) for found in RECAP.findall(self.output))

    @property
    def is_plain(self) -> bool:
        """Whether it is free of what only a programmer understands."""
        return not TRACEBACK.search(self.output)


class Running:
    """A playbook that is being played in a session of its own."""

    def __init__(self, command: Sequence[str], directory: Path, environment: Mapping[str, str]) -> None:
        self.started, self.begun = time.monotonic(), time.time()
        # What it has printed: seconds since its start, and the line.
        self.lines: list[tuple[float, str]] = []
        self._process = subprocess.Popen(
            # A shell's background job ignores Ctrl-C, and all that it starts would, too.
            ["env", "--default-signal=INT", *command],
            cwd=directory,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append((time.monotonic() - self.started, line))

    @property
    def seconds(self) -> float:
        """Since its start."""
        return time.monotonic() - self.started

    @property
    def output(self) -> str:
        """All that it has printed."""
        return "".join(line for _, line in list(self.lines))

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def said(self, since: float, until: float) -> str:
        """What it has printed from and up to so many seconds after its start."""
        return "".join(line for at, line in list(self.lines) if since <= at < until)

    def took_to_say(self, pattern: str) -> float:
        """Seconds from the beginning of the task that said it first to its saying it."""
        begun = 0.0
        for at, line in self.lines:
            if line.startswith("TASK ["):
                begun = at
            if re.search(pattern, line):
                break
        else:
            raise AssertionError(f"it never said {pattern!r}")
        return at - begun

    def when(self, condition: Callable[[], object], seconds: float = 120) -> None:
        """Wait, while it is played, until `condition()` is true (an error counts as false)."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError, ValueError, LookupError):
                if condition():
                    return
            assert not self.over, f"it ended before that:\n{self.output[-4000:]}"
            assert time.monotonic() < deadline, f"still not so after {seconds:g} s:\n{self.output[-4000:]}"
            time.sleep(0.1)

    def wait(self, seconds: float = 3000) -> Played:
        """Wait for its end; one that takes longer is killed, and an AssertionError."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still playing after {seconds:g} s:\n{self.output[-4000:]}") from None
        ended = self.seconds
        self._reader.join(5)
        return Played(self._process.returncode, self.output, ended)

    def signal(self, number: int) -> None:
        """Send a signal to everything that it started, as a terminal does with Ctrl-C."""
        # Each of Ansible's workers leads a group of its own, with what it runs.
        workers = subprocess.run(["pgrep", "-P", str(self._process.pid)], capture_output=True, text=True, check=False)
        for leader in (self._process.pid, *map(int, workers.stdout.split())):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(leader, number)

    def kill(self) -> Played:
        """End it at once, with everything that it started; an AssertionError if it had ended by itself."""
        self.signal(signal.SIGKILL)
        killed = self.wait(10)
        assert killed.code == -signal.SIGKILL, f"it had ended before it was killed:\n{killed.output[-4000:]}"
        return killed
