# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A playbook in several rooms: an ansible-playbook for each, so that it holds and judges its room as always."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.istio_games.workshop.plugins.plugin_utils.processes import ends_with
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import files
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.queue import Say

# A line of progress (plugin_utils/progress.py): the time of day, and what is done.
PROGRESS = re.compile(r"\d\d:\d\d:\d\d (.*)")
# A line of what Ansible says at the end, of a host on which something was changed.
CHANGED = re.compile(r"\S+\s+: ok=\d+\s+changed=[1-9].*")
# What is read here is as Ansible writes it by itself.
PLAIN = {
    "ANSIBLE_FORCE_COLOR": "false",
    "ANSIBLE_NOCOLOR": "true",
    "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
}
ERROR, ORIGIN = "[ERROR]: ", "Origin: "
# What Ansible puts before what an action of ours says.
_BEFORE = re.compile(r"^Task failed: (Action failed: )?")


@dataclass(frozen=True)
class Order:
    """What one room is to play.

    Attributes:
        variables: what is given with -e.
        log: where its whole output goes.
    """

    room: str
    playbook: Path
    variables: Mapping[str, Any]
    log: Path


@dataclass(frozen=True)
class Played:
    """How it ended.

    Attributes:
        fault: why it failed, in sentences; empty if it did not.
        changed: whether it has changed something.
    """

    room: str
    fault: str
    seconds: float
    changed: bool


def play(orders: Sequence[Order], options: Sequence[str], at_once: int, say: Say) -> list[Played]:
    """Play them, `at_once` of them at a time; one that fails hinders no other.

    Args:
        options: of ansible-playbook, for all of them.
    """

    def one(order: Order) -> Played:
        return _played(order, options, say if len(orders) == 1 else lambda text: say(f"{order.room}: {text}"))

    with ThreadPoolExecutor(max_workers=max(1, at_once)) as pool:
        return list(pool.map(one, orders))


def _played(order: Order, options: Sequence[str], say: Say) -> Played:
    begun = time.monotonic()
    # Not on the command line, which everybody sees.
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as given:
        yaml.safe_dump({**order.variables, "workshop_name": order.room}, given)
        given.flush()
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        command = [program, str(order.playbook), *options, "-e", f"@{given.name}"]
        with os.fdopen(os.open(order.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, files.PRIVATE), "w") as log:
            running = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env={**os.environ, **PLAIN},
                preexec_fn=partial(_end_with, os.getpid()),
            )
            lines = _followed(running, log.write, say)
            code = running.wait()
    fault = "" if code == 0 else _fault(lines) or f"ansible-playbook ended with {code}: {order.log} tells why."
    changed = any(CHANGED.fullmatch(line) for line in lines)
    return Played(order.room, fault, time.monotonic() - begun, changed)


def _followed(running: subprocess.Popen[str], write: Callable[[str], Any], say: Say) -> list[str]:
    """Write what a process says down, tell its progress, and give what was said since its last error began."""
    lines: list[str] = []
    for line in running.stdout or ():
        write(line)
        if line.startswith(ERROR):
            lines = []
        lines.append(line.rstrip("\n"))
        if found := PROGRESS.fullmatch(line.rstrip("\n")):
            say(found[1])
    return lines


def _fault(lines: Sequence[str]) -> str:
    """Give the sentences of the last error."""
    if not lines or not lines[0].startswith(ERROR):
        return ""
    said = [_BEFORE.sub("", lines[0].removeprefix(ERROR))]
    for line in lines[1:]:
        if not line.strip() or line.startswith(ORIGIN):
            break
        said.append(line)
    return "\n".join(said)


def _end_with(parent: int) -> None:
    """Let a process end when whoever has started it does."""
    if not ends_with(parent):
        os._exit(1)
