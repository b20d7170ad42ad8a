# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Progress of long work, shown while a task runs."""

from __future__ import annotations

import time

from ansible.utils.display import Display

from ansible_collections.istio_games.workshop.plugins.plugin_utils.commands import with_room
from ansible_collections.istio_games.workshop.plugins.plugin_utils.terminal import printable

_display = Display()


def say(text: str) -> None:
    """Show a line with the time of day."""
    _display.display(f"{time.strftime('%H:%M:%S')} {printable(with_room(text))}")


def show(lines: list[str]) -> None:
    """Show lines as they are."""
    for line in lines:
        _display.display(printable(with_room(line)))
