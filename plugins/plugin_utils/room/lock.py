# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run at a time makes, changes or removes a room.

The lock is a socket's name in Linux's abstract namespace: no file that could be left behind, and the kernel lets go of
it with the last process that holds it, however that ends. Ansible's workers inherit it, so that what a killed run has
started is waited for; programs that they start do not.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError

# Time for what a killed run has started to end, or for a run that is nearly done.
PATIENCE_SECONDS = 60.0
_held: dict[str, socket.socket] = {}


class LockError(WorkshopError):
    """Another run is at work on the room."""


def hold(room: str, say: Callable[[str], None], seconds: float = PATIENCE_SECONDS) -> None:
    """Hold a room until this process ends; at once if it does already.

    Args:
        room: its name.
        say: told when somebody else holds it.
        seconds: how long that is waited for.

    Raises:
        LockError: somebody else still holds it.
    """
    if room in _held:
        return
    name = f"\0istio-workshop/{room}"
    deadline = time.monotonic() + seconds
    told = False
    lock = socket.socket(socket.AF_UNIX)
    while True:
        try:
            lock.bind(name)
            lock.listen()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            _held[room] = lock
            return
        who = _holder(name)
        if time.monotonic() >= deadline:
            lock.close()
            raise LockError(
                f"Another ansible-playbook is at work on the room {room} ({who}): nothing was changed; "
                "type it again when that has ended."
            )
        if not told:
            say(f"Another ansible-playbook is at work on the room {room} ({who}): waiting up to {seconds:g} s for it.")
            told = True
        time.sleep(0.5)


def _holder(name: str) -> str:
    """Say which process holds a lock."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(1)
        caller.connect(name)
        process, _, _ = struct.unpack("3i", caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return f"process {process}" if Path(f"/proc/{process}").exists() else "it was killed, and is still ending"
    return "it has just ended"
