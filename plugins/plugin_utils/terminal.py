# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Text as a terminal may have it."""

from __future__ import annotations

from typing import Any

# Of what others have said, a sentence tells so much: an object's annotations, where some are kept, hold 256 KiB.
LONGEST_SAID = 2000


def printable(text: str, kept: str = "\n\t") -> str:
    r"""Give a text that moves no cursor and hides nothing, whatever others have written in it.

    Args:
        kept: signs that stay although they cannot be printed.

    >>> printable("0.3\x1b[2J")
    '0.3\\x1b[2J'
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in kept else each.encode("unicode_escape").decode() for each in text
    )


def short(value: Any) -> str:
    """Give what somebody has typed as a sentence names it: what is long is cut.

    >>> short("50"), short(50), len(short("x" * 5000))
    ("'50'", '50', 80)
    """
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def cut(text: str) -> str:
    """Give as much of a text as people can read: what a student's pod has said may have no end.

    >>> cut("No node takes it."), len(cut("x" * 10**6))
    ('No node takes it.', 2003)
    """
    return text if len(text) <= LONGEST_SAID else f"{text[:LONGEST_SAID]}..."
