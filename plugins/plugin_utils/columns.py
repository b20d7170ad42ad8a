# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tables for people: cells of one column begin below each other."""

from __future__ import annotations

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Give a line for each row; all rows have as many cells.

    >>> aligned([("place", "lost"), ("student-01", "0")])
    ['place       lost', 'student-01  0']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def ruled(rows: Sequence[Sequence[str]]) -> list[str]:
    """Give the same with a rule below the first row, the headings.

    >>> ruled([("place", "lost"), ("student-01", "0")])[1]
    '----------  ----'
    """
    rule = ["-" * max(map(len, column)) for column in zip(*rows, strict=True)]
    return aligned([rows[0], rule, *rows[1:]])
