"""The flag that a stopping service raises while it still serves."""

from __future__ import annotations

import mmap


class Drain:
    """A flag shared by gunicorn's master, which gets SIGTERM, and its worker, which answers /readyz.

    An anonymous shared mapping: it survives the fork and needs neither a file nor a semaphore, so that
    it works on a read-only root file system.
    """

    def __init__(self) -> None:
        self._flag = mmap.mmap(-1, 1)

    def begin(self) -> None:
        """Say that this service is about to stop."""
        self._flag[0] = 1

    @property
    def active(self) -> bool:
        """Tell whether this service is about to stop."""
        return self._flag[0] == 1
