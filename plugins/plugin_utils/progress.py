# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Progress of long work, shown while a task runs."""

from __future__ import annotations

import time

from ansible.utils.display import Display

_display = Display()


def plain(text: str) -> str:
    r"""Give a text as a terminal may have it: what students have written in it moves no cursor and hides nothing.

    >>> plain("0.3\x1b[2J")
    '0.3\\x1b[2J'
    """
    if text.isprintable():
        return text
    kept = (each if each.isprintable() or each in "\n\t" else each.encode("unicode_escape").decode() for each in text)
    return "".join(kept)


def say(text: str) -> None:
    """Show a line with the time of day."""
    _display.display(f"{time.strftime('%H:%M:%S')} {plain(text)}")


def show(lines: list[str]) -> None:
    """Show lines as they are."""
    for line in lines:
        _display.display(plain(line))
