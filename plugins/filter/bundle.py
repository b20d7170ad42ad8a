# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters that read a bundle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import contract, wheels
from ansible_collections.istio_games.workshop.plugins.plugin_utils.filters import explained


class FilterModule:
    """Filters of bundles."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name them."""
        functions = (contract.bundle_images, wheels.missing_wheels)
        return {function.__name__: explained(function) for function in functions}
