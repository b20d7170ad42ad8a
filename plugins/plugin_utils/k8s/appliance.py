# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the API has objects of each kind, and writes of them, without what a module costs for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import (
    Api,
    KubernetesError,
    MissingKindError,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.errors import WEBHOOK
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.waiting import (
    WRITE_SECONDS,
    Look,
    WaitError,
    Waiting,
    unjudged,
)

Manifest = Mapping[str, Any]
Result = TypeVar("Result")


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


def once_judged(waiting: Waiting, doing: str, act: Callable[[], Result]) -> Result:
    """Do what may be done twice, until a webhook that is restarting, or a silent API server, lets it be done.

    Args:
        doing: what is done, "writing Sidecar anna/default".

    Raises:
        KubernetesError: it is refused, or was given up after WRITE_SECONDS.
    """
    done: list[Result] = []

    def look() -> dict[str, Look]:
        try:
            done.append(act())
        except KubernetesError as error:
            if WEBHOOK not in error.said:
                raise
            return {doing: unjudged(str(error))}
        return {doing: Look(True, "done")}

    try:
        waiting.until(look, WRITE_SECONDS)
    except WaitError as error:
        why = error.trouble.sentence if error.trouble else str(error)
        raise KubernetesError(
            f"{doing[0].upper()}{doing[1:]} was given up after {WRITE_SECONDS:g} s: {why.rstrip('.')}."
        ) from error
    return done[-1]


def _base(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"
