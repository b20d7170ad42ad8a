# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter that reads what applying manifests returned; the logic is in plugin_utils/k8s/manifests.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.filters import explained
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import manifests


class FilterModule:
    """Filters of applied manifests."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name them."""
        return {
            "manifest_faults": explained(manifests.faults),
            "unbound_claims": explained(manifests.unbound_claims),
        }
