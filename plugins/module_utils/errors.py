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
