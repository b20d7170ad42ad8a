# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a host that is written in an object names a service, and which of its callers labels select."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import routes

Item = Mapping[str, Any]
# By its full name; by a part of that which only works as a VirtualService's host, for requests that call it so; by a
# pattern.
Reach = Literal["exact", "alias", "wildcard"]


@dataclass(frozen=True)
class Scope:
    """A service, and who calls it."""

    service: str
    namespace: str
    callers: tuple[Mapping[str, str], ...]
    domain: str
    root: str

    def reach(self, host: str, item: Item) -> Reach | None:
        """Tell how a host, as written in an object, names the service."""
        host = host.lower()
        if host.startswith("*"):
            full = f"{routes.host_prefix(self.service, self.namespace)}.{self.domain}"
            return "wildcard" if full.endswith(host[1:]) else None
        if "." not in host:  # relative to the object's own namespace
            return "exact" if (host, item["metadata"]["namespace"]) == (self.service, self.namespace) else None
        if routes.is_host_of(host, self.service, self.namespace):
            return "exact"
        return "alias" if host in (f"{self.service}.{self.namespace}", f"{self.service}.{self.namespace}.svc") else None

    def closest(self, hosts: Sequence[str], item: Item) -> Reach | None:
        """Tell how the most specific of these hosts names the service."""
        found = {self.reach(host, item) for host in hosts}
        order: tuple[Reach, ...] = ("exact", "alias", "wildcard")
        return next((reach for reach in order if reach in found), None)

    def selected(self, labels: Mapping[str, str]) -> list[str]:
        """Name the callers that bear these labels."""
        found = [each for each in self.callers if labels.items() <= each.items()] if self.callers else [{}]
        return list(dict.fromkeys(map(caller, found)))

    def is_own(self, item: Item) -> bool:
        return (item["metadata"]["namespace"], item["metadata"]["name"]) == (self.namespace, self.service)


def caller(labels: Mapping[str, str]) -> str:
    return labels.get("app") or ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or "its callers"
