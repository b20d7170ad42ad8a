# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters that read a bundle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.typed import to_be_named
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import contract, wheels
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.commands import with_room
from ansible_collections.istio_games.workshop.plugins.plugin_utils.filters import explained


def bundle_images(bundle: str, room: str) -> dict[str, str]:
    """References by name of the images of a bundle; what it says to type is for this room."""
    try:
        return contract.bundle_images(bundle)
    except BundleError as error:
        raise BundleError(with_room(str(error), lambda: to_be_named(room))) from error


class FilterModule:
    """Filters of bundles."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name them."""
        functions = (bundle_images, wheels.missing_wheels)
        return {function.__name__: explained(function) for function in functions}
