# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every error of this project has in common, on the controller and on a node."""

from __future__ import annotations

from typing import Any


class WorkshopError(Exception):
    """Something that a user can mend. The message is one sentence for people: what was found, and what to do.

    Every action plugin ends with it as a failed task (`plugin_utils.actions.base`).

    Attributes:
        result: what the task's result says besides, such as the objects that were written before it failed.
    """

    def __init__(self, message: str, **result: Any) -> None:
        super().__init__(message)
        self.result: dict[str, Any] = result


def unexpected(plugin: str, error: Exception) -> str:
    """Say in one sentence that a plugin has a fault.

    >>> unexpected("traffic_stage", KeyError("callers"))[:70]
    "traffic_stage met something that it does not know (KeyError: 'callers'"
    """
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return (
        f"{plugin} met something that it does not know ({what[:300]}). That is a fault of this collection, not of "
        "yours: run the same command again with -vvv, and report what it prints."
    )
