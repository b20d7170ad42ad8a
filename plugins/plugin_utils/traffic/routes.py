# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Routes in one form, read from a VirtualService and from an Envoy's own configuration, so that they can be compared.

Envoy's side is its admin interface: `/config_dump?resource=dynamic_route_configs` and `/clusters?format=json`
(https://www.envoyproxy.io/docs/envoy/latest/operations/admin).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# A cluster's DNS domain, unless it was made with another one.
DOMAIN = "cluster.local"
# Denominators of Envoy's FractionalPercent.
_FRACTIONS = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}


@dataclass(frozen=True)
class Route:
    """What one route does: headers to match, percent by subset, copies by subset."""

    match: tuple[tuple[str, str], ...] = ()
    shares: tuple[tuple[str, float], ...] = ()
    mirror: tuple[tuple[str, float], ...] = ()

    def __str__(self) -> str:
        when = " and ".join(f"{name} ~ {pattern}" for name, pattern in self.match) or "everything"
        shares = ", ".join(f"{subset} {share:g} %" for subset, share in self.shares) or "nowhere"
        copies = "".join(f", a copy of {share:g} % to {subset}" for subset, share in self.mirror)
        return f"{when} to {shares}{copies}"


def described(routes: Iterable[Route]) -> str:
    """Put routes into words."""
    return "; ".join(map(str, routes)) or "no route"


def cluster_name(service: str, namespace: str, port: int, subset: str) -> str:
    """Name a subset's cluster as Istio does in every Envoy.

    >>> cluster_name("aleph", "staging", 80, "v01")
    'outbound|80|v01|aleph.staging.svc.cluster.local'
    """
    return f"outbound|{port}|{subset}|{host_name(service, namespace)}"


def host_name(service: str, namespace: str) -> str:
    """Give a Service's full name."""
    return f"{host_prefix(service, namespace)}.{DOMAIN}"


def host_prefix(service: str, namespace: str) -> str:
    """Give a Service's name up to the cluster's domain."""
    return f"{service}.{namespace}.svc"


def is_host_of(host: str, service: str, namespace: str) -> bool:
    """Tell whether a host is a Service's full name, in whatever domain the cluster is.

    >>> is_host_of("aleph.staging.svc.example.org", "aleph", "staging")
    True
    """
    return host.startswith(host_prefix(service, namespace) + ".")


def of_virtual_service(virtual_service: Mapping[str, Any]) -> list[Route]:
    """Read the routes that a VirtualService asks for. Destinations of weight 0 count as absent, as in Envoy."""
    result = []
    for item in (virtual_service.get("spec") or {}).get("http") or []:
        destinations = item.get("route") or []
        weights = [(_subset(each.get("destination")), each.get("weight") or 0) for each in destinations]
        if len(weights) == 1:
            weights = [(weights[0][0], 1)]
        copies = [(item.get("mirror"), item.get("mirrorPercentage"))] if item.get("mirror") else []
        copies += [(each.get("destination"), each.get("percentage")) for each in item.get("mirrors") or []]
        mirror = tuple((_subset(target), float((percent or {}).get("value", 100))) for target, percent in copies)
        # Each of a route's alternatives is a route of its own in Envoy.
        for match in item.get("match") or [{}]:
            result.append(Route(_match(match), _shares(weights), mirror))
    return result


def of_envoy(route_dump: Mapping[str, Any], service: str, namespace: str) -> list[Route] | None:
    """Read a service's routes out of an Envoy's route configurations; None where it has no such virtual host."""
    name = host_name(service, namespace)
    for dumped in route_dump.get("configs") or []:
        for host in (dumped.get("route_config") or {}).get("virtual_hosts") or []:
            if name in (host.get("domains") or []):
                return [_envoy_route(route) for route in host.get("routes") or []]
    return None


@dataclass(frozen=True)
class Cluster:
    """A subset as an Envoy sees it."""

    healthy: int
    # Requests in flight, and all since the proxy's start, over the endpoints that are there now.
    active: int
    total: int


def clusters(status: Mapping[str, Any]) -> dict[str, Cluster]:
    """Read the clusters that an Envoy has active; one that is still warming is not among them."""
    return {str(item["name"]): _cluster(item) for item in status.get("cluster_statuses") or []}


def _cluster(item: Mapping[str, Any]) -> Cluster:
    hosts = item.get("host_statuses") or []
    # A host that is healthy has no flag set but the plain word of its last discovery.
    healthy = [
        host
        for host in hosts
        if (host.get("health_status") or {}).get("eds_health_status", "HEALTHY") == "HEALTHY"
        and not any(value is True for value in (host.get("health_status") or {}).values())
    ]
    return Cluster(len(healthy), _statistic(hosts, "rq_active"), _statistic(hosts, "rq_total"))


def _statistic(hosts: Iterable[Mapping[str, Any]], name: str) -> int:
    return sum(
        int(statistic.get("value", 0))
        for host in hosts
        for statistic in host.get("stats") or []
        if statistic.get("name") == name
    )


def _subset(destination: Mapping[str, Any] | None) -> str:
    return str((destination or {}).get("subset", ""))


def _shares(weights: Iterable[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    merged: dict[str, float] = {}
    for subset, weight in weights:
        if weight:
            merged[subset] = merged.get(subset, 0) + weight
    total = sum(merged.values())
    return tuple((subset, round(100 * weight / total, 3)) for subset, weight in sorted(merged.items()))


def _match(match: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    found = {name: _pattern(condition) for name, condition in (match.get("headers") or {}).items()}
    if "method" in match:
        found[":method"] = _pattern(match["method"])
    # Whatever else somebody's route asks for: never equal to one of ours.
    for name in match.keys() - {"headers", "method", "name"}:
        found[f"({name})"] = str(match[name])
    return tuple(sorted(found.items()))


def _pattern(condition: Mapping[str, Any]) -> str:
    """Give a string condition of Istio as text."""
    if "regex" in condition:
        return str(condition["regex"])
    return ", ".join(f"{kind} {value}" for kind, value in sorted(condition.items()))


def _envoy_route(route: Mapping[str, Any]) -> Route:
    action = route.get("route") or {}
    if "weighted_clusters" in action:
        listed = action["weighted_clusters"].get("clusters") or []
        weights = [(_envoy_subset(each.get("name")), each.get("weight", 0)) for each in listed]
    else:
        weights = [(_envoy_subset(action["cluster"]), 1)] if "cluster" in action else []
    mirror = tuple(
        (_envoy_subset(policy.get("cluster")), _percent((policy.get("runtime_fraction") or {}).get("default_value")))
        for policy in action.get("request_mirror_policies") or []
    )
    match = route.get("match") or {}
    found = {str(header["name"]): _envoy_pattern(header) for header in match.get("headers") or []}
    if match.get("prefix", "/") != "/" or not {"path", "safe_regex", "path_separated_prefix"}.isdisjoint(match):
        found["(uri)"] = str({key: match[key] for key in match if key not in ("headers", "case_sensitive")})
    return Route(tuple(sorted(found.items())), _shares(weights), mirror)


def _envoy_pattern(header: Mapping[str, Any]) -> str:
    matcher = header.get("string_match") or {}
    if "safe_regex" in matcher:
        return str(matcher["safe_regex"].get("regex"))
    return str({key: value for key, value in header.items() if key != "name"})


def _envoy_subset(cluster: Any) -> str:
    parts = str(cluster).split("|")
    return parts[2] if len(parts) == 4 else str(cluster)


def _percent(fraction: Mapping[str, Any] | None) -> float:
    if fraction is None:
        return 100.0
    return 100 * float(fraction.get("numerator", 0)) / _FRACTIONS[fraction.get("denominator", "HUNDRED")]
