# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""kaniko's log: what of it is progress, and what it says when a build fails."""

from __future__ import annotations

import re
from collections.abc import Sequence

TAIL_LINES = 20
_LEVEL = re.compile(
    r"^(?:\x1b\[\d+m)?(?:time=\S+ )?(?P<level>INFO|WARN|ERRO|FATA|DEBU|TRAC)\w*(?:\x1b\[0m)?(?:\[\d+\])?\s+"
)
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
# kaniko's own words for a step; what a RUN prints in between is shown only when the build fails.
_STEP = re.compile(r"^(Retrieving image manifest|Unpacking rootfs|RUN |COPY |ADD |Pushing image to)")
_RUNNING = re.compile(r"^Running: \[(?:/bin/sh -c )?(?P<command>.*)\]$")
# What explains nothing when a build has failed.
_NOISE = re.compile(
    r"^(Returning cached|Built cross stage|Executing 0 build|Checking for cached|No files changed|Initializing snap"
    r"|Taking snapshot|Cmd: |Args: |Retrieving image (?!manifest)|Changed working|Adding exposed|Found cached)"
)
_ERROR = re.compile(r"^(?:Error: )?error (?:building|pushing|resolving|checking)|^Error: |^error[: ]", re.IGNORECASE)
_PULL = re.compile(
    r"MANIFEST_UNKNOWN|manifest unknown|NAME_UNKNOWN|unable to (retrieve|complete)|retrieving image|no such host"
)
# What the network says while policies or names have not reached a new pod's node yet, or the registry restarts.
_PASSING = re.compile(
    r"connection (refused|reset)|no route to host|network is unreachable|i/o timeout|handshake timeout"
    r"|server misbehaving|deadline exceeded|broken pipe|\bEOF$|\b50[234]\b"
)


def clean(line: str) -> str:
    """Take kaniko's level, time and colours off a line.

    >>> clean("\\x1b[36mINFO\\x1b[0m[0003] Unpacking rootfs as cmd RUN pip requires it. ")
    'Unpacking rootfs as cmd RUN pip requires it.'
    """
    return _ESCAPES.sub("", _LEVEL.sub("", line)).rstrip()


def step(line: str) -> str | None:
    """Give the progress that a line tells, or None for a detail."""
    text = clean(line)
    if not _STEP.match(text):
        return None
    return text if len(text) <= 110 else text[:107] + "..."


def tail(log: str, lines: int = TAIL_LINES) -> str:
    """Give the end of a log as people read it."""
    kept = [text for text in _lines(log) if not _NOISE.match(text)]
    return "\n".join("  " + text[:300] for text in kept[-lines:])


def may_pass(log: str) -> bool:
    """Tell whether kaniko gave up because it could not talk to a registry, which another attempt may.

    >>> may_pass('error checking push permissions: Get "http://registry:5000/v2/": dial tcp: connection refused')
    True
    >>> may_pass("curl: connection refused\\nerror building image: waiting for process to exit: exit status 7")
    False
    """
    error = _error(_lines(log))
    return "exit status" not in error and bool(_PASSING.search(error))


def reason(log: str) -> str:
    """Say in a few words why kaniko gave up."""
    lines = _lines(log)
    error = _error(lines)
    detail = error.rpartition(": ")[2] if "exit status" in error else error
    error = error.removeprefix("error building image: ").removeprefix("error building stage: ")
    if "exit status" in error or "exit code" in error:
        return f"its Dockerfile's RUN {_command(lines)} ended with {detail}"
    if "parse error" in error or "unknown instruction" in error.lower():
        return f"its Dockerfile cannot be read ({_after(error, 'dockerfile')})"
    if "no such file or directory" in error or "no source files" in error or "failed to get fileinfo" in error:
        return f"its Dockerfile copies what is not among its sources ({error})"
    if "push" in error:
        return f"the image cannot be pushed ({error})"
    if _PULL.search(error):
        return f"its base image cannot be had ({error})"
    return error


def _lines(log: str) -> list[str]:
    return [text for text in map(clean, log.splitlines()) if text.strip()]


def _error(lines: Sequence[str]) -> str:
    return next((line for line in reversed(lines) if _ERROR.match(line)), lines[-1] if lines else "kaniko said nothing")


def _command(lines: Sequence[str]) -> str:
    running = [match.group("command") for match in map(_RUNNING.match, lines) if match]
    command = running[-1] if running else ""
    return f'"{command[:100]}"' if command else "command"


def _after(text: str, word: str) -> str:
    _, found, rest = text.partition(word)
    return (found + rest) if found else text
