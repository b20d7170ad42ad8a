# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Many manifests applied one after another, without what a module costs for each of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import (
    Api,
    KubernetesError,
    MissingKindError,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.errors import WEBHOOK

# istiod judges its objects when they are written; while it restarts, nobody does.
WEBHOOK_SECONDS, PAUSE_SECONDS = 60.0, 1.0

Manifest = Mapping[str, Any]


@dataclass
class Paths:
    """Where the API has objects of each kind. Shared by several connections to one cluster."""

    _plurals: dict[tuple[str, str], tuple[str, bool]] = field(default_factory=dict)

    def learn(self, api: Api, manifests: Iterable[Manifest]) -> None:
        """Ask for the kinds of some manifests."""
        for version in sorted({str(item["apiVersion"]) for item in manifests}):
            for resource in self._resources(api, version):
                if "/" not in resource["name"]:
                    self._plurals[version, resource["kind"]] = (resource["name"], bool(resource["namespaced"]))

    def of(self, item: Manifest) -> str:
        """Give an object's path.

        Raises:
            MissingKindError: the cluster does not serve its kind.
        """
        version, kind, metadata = str(item["apiVersion"]), str(item["kind"]), item["metadata"]
        if (version, kind) not in self._plurals:
            raise MissingKindError(f"The cluster serves no {kind} ({version}): what defines it is not installed.")
        plural, namespaced = self._plurals[version, kind]
        within = f"/namespaces/{metadata['namespace']}" if namespaced else ""
        return f"{_base(version)}{within}/{plural}/{metadata['name']}"

    @staticmethod
    def _resources(api: Api, version: str) -> list[dict[str, Any]]:
        found = api.find(_base(version)) or {}
        return list(found.get("resources") or [])


def apply(
    api: Api,
    paths: Paths,
    item: Manifest,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Apply a manifest on the server's side, as ours; a webhook that is restarting is waited for.

    Raises:
        KubernetesError: it is refused.
    """
    path, deadline = paths.of(item), clock() + WEBHOOK_SECONDS
    while True:
        try:
            return api.apply(path, item)
        except KubernetesError as error:
            if WEBHOOK not in error.said or clock() >= deadline:
                raise
        sleep(PAUSE_SECONDS)


def _base(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"
