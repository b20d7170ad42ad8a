# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A room's own files on the controller: written at once whole, and for their owner's eyes alone."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PRIVATE = 0o600


def replace(path: Path, text: str) -> None:
    """Write a file that nobody else may read, in a directory that nobody else may enter.

    Who reads it meanwhile has the old one or the new one, whole.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    with _alone(path.parent):
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "w") as file:
            file.write(text)
        new.replace(path)


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Write while nobody else does: status.yml may be played while class.yml is, and both write class.json."""
    held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # a file system without such locks
            fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)
