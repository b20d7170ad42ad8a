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


def expanded(path: str) -> Path:
    """Give a path as a shell reads it; the home of somebody who is not there stays as it is written.

    >>> expanded("~nobody-of-this-name/file")
    PosixPath('~nobody-of-this-name/file')
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def is_file(path: Path) -> bool:
    """Tell whether a file can be seen; a name that is too long, or where nobody may look, is none.

    >>> is_file(Path("x" * 300)), is_file(Path("/etc/passwd"))
    (False, True)
    """
    try:
        return path.is_file()
    except OSError:
        return False
