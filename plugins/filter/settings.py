# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters that judge what a user has set; the logic is in plugin_utils/room/settings.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.filters import explained
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import settings


class FilterModule:
    """Filters of settings."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name them."""
        return {"setting_problems": explained(settings.problems)}
