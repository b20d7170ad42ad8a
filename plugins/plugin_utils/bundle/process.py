# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Running a build command with a log, a sign of life and a clear sentence when it fails."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError, explain

_HEARTBEAT = 30.0  # seconds between two signs of life


def run(
    command: Sequence[str | Path],
    *,
    what: str,
    source: str,
    log: Path,
    say: Callable[[str], None],
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Run `command`, its output appended to `log`.

    Every 30 s `say` is told how long it has taken. The command gets its own process group, which is ended
    with us (see `processes.end_with_parent`), so that an interrupted playbook leaves no compiler behind.

    Raises:
        BundleError: it failed; the message says why, and where its log is.
    """
    if not shutil.which(str(command[0])):
        raise BundleError(f"{what}: {command[0]} is not installed: type scripts/install_debian_packages.")
    started = time.monotonic()
    with log.open("ab") as output:
        start = output.tell()
        process = subprocess.Popen(
            # Ends when this process does, even by SIGKILL.
            ["setpriv", "--pdeathsig", "TERM", "--", *(str(part) for part in command)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env) if env is not None else None,
            cwd=cwd,
            start_new_session=True,
            umask=0o022,  # what is made may go into an image, where others must read it
        )
        try:
            while True:
                try:
                    code = process.wait(timeout=_HEARTBEAT)
                    break
                except subprocess.TimeoutExpired:
                    say(f"still at it after {time.monotonic() - started:.0f} s: {_last_line(log)}")
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            raise
    if code:
        with log.open("rb") as output:
            output.seek(start)
            text = output.read().decode(errors="replace")
        tail = "\n".join(text.splitlines()[-15:])
        raise BundleError(f"{explain(what, source, text[-20000:], log.parent)}\nThe end of {log}:\n{tail}")


def _last_line(log: Path) -> str:
    """The last line of a log, at most 100 characters of it."""
    with log.open("rb") as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(max(0, stream.tell() - 2000))
        lines = stream.read().decode(errors="replace").strip().splitlines()
    return lines[-1][:100] if lines else "no output yet"
