# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long a process of ours lives."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal

# Loaded now: in a process that was only just forked it might wait for a lock for ever.
_libc = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def end_with_parent() -> None:
    """Let this process end when its parent does: Ansible's workers outlive a playbook that is killed with SIGKILL."""
    parent = multiprocessing.parent_process()
    if not ends_with(os.getppid() if parent is None else parent.pid):
        os.kill(os.getpid(), signal.SIGTERM)


def ends_with(parent: int | None) -> bool:
    """Let this process get SIGTERM when its parent, of this number, ends; false: that was killed before we asked."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    return os.getppid() == parent
