# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Paths on the controller."""

from __future__ import annotations

from pathlib import Path


def nearest(path: Path) -> Path:
    """Give the path itself or the nearest directory above it that is there: whose file system it is, or will be, on.

    >>> nearest(Path("/nonexistent/directory"))
    PosixPath('/')
    """
    return next(each for each in (path, *path.parents) if each.exists())
