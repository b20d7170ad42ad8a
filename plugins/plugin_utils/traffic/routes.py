# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Routes in one form, read from a VirtualService and from an Envoy's own configuration, so that they can be compared.

Envoy's side is its admin interface: `/config_dump?resource=dynamic_route_configs` and `/clusters?format=json`
(https://www.envoyproxy.io/docs/envoy/latest/operations/admin).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import route_effects, route_matches

# A cluster's DNS domain, unless it was made with another one.
DOMAIN = "cluster.local"
# What people are shown of a destination without a subset.
ANY = "any version"


@dataclass(frozen=True)
class Route:
    """What one route does.

    Attributes:
        match: conditions that a request must meet, none for every request (see route_matches).
        shares: percent by version: a subset's name, empty for any pod of the service, or where else it goes.
        mirror: percent of copies, in the same way.
        instead: what happens to the requests instead of reaching a version.
        besides: what is done to them besides. None of our stages does anything of that.
    """

    match: tuple[tuple[str, str], ...] = ()
    shares: tuple[tuple[str, float], ...] = ()
    mirror: tuple[tuple[str, float], ...] = ()
    instead: str = ""
    besides: tuple[str, ...] = ()

    @property
    def is_special(self) -> bool:
        """Tell whether it does more than to share all requests among versions."""
        return bool(self.match or self.mirror or self.instead or self.besides)

    def __str__(self) -> str:
        shares = ", ".join(f"{subset or ANY} {share:g} %" for subset, share in self.shares) or "nowhere"
        copies = [f"a copy of {share:g} % to {subset or ANY}" for subset, share in self.mirror]
        does = self.instead or f"to {shares}"
        return ", ".join([f"{route_matches.shown(self.match)} {does}", *copies, *self.besides])


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


def subset_of(cluster: str, service: str, namespace: str, port: int) -> str | None:
    """Give the subset that a cluster of an Envoy is of a service's port; None when it is none of it.

    >>> subset_of("outbound|80|v01|aleph.staging.svc.example.org", "aleph", "staging", 80)
    'v01'
    """
    parts = cluster.split("|")
    if len(parts) != 4 or parts[:2] != ["outbound", str(port)] or not is_host_of(parts[3], service, namespace):
        return None
    return parts[2] or None


def of_virtual_service(virtual_service: Mapping[str, Any], service: str | None = None) -> list[Route]:
    """Read the routes that a VirtualService asks for. Destinations of weight 0 count as absent, as in Envoy.

    Args:
        service: the service that is called, in the VirtualService's namespace; without it, any of its hosts.
    """
    spec = virtual_service.get("spec") or {}
    namespace = str((virtual_service.get("metadata") or {}).get("namespace") or "")
    own = {_whole(str(host), namespace) for host in ([service] if service else spec.get("hosts") or [])}
    result = []
    for item in spec.get("http") or []:
        shares = _istio_shares(item.get("route") or [], own, namespace)
        copies = [(item["mirror"], route_effects.mirror_percent(item))] if item.get("mirror") else []
        copies += [
            (each.get("destination"), float((each.get("percentage") or {"value": 100}).get("value", 0)))
            for each in item.get("mirrors") or []
        ]
        mirror = tuple((_destination(target, own, namespace), percent) for target, percent in copies if percent)
        instead = route_effects.instead_of_istio(item, namespace)
        besides = route_effects.besides_of_istio(item)
        # Each of a route's alternatives is a route of its own in Envoy.
        for match in item.get("match") or [{}]:
            conditions = route_matches.of_istio(match)
            if conditions is not None:
                result.append(Route(conditions, () if instead else shares, mirror, instead, besides))
    return [*result, *_connections(spec, own, namespace)]


def _connections(spec: Mapping[str, Any], own: set[str], namespace: str) -> list[Route]:
    """Read the routes of a VirtualService that are for connections and not for requests."""
    result = []
    for kind in ("tcp", "tls"):
        for item in spec.get(kind) or []:
            names = sorted({str(host) for match in item.get("match") or [] for host in match.get("sniHosts") or []})
            conditions = ((f"{kind.upper()} connections{' for' if names else ''}", ", ".join(names)),)
            result.append(Route(conditions, _istio_shares(item.get("route") or [], own, namespace)))
    return result


def of_envoy(
    route_dump: Mapping[str, Any], service: str, namespace: str, port: int | None = None
) -> list[Route] | None:
    """Read a service's routes out of an Envoy's route configurations; None where it has no such virtual host.

    Args:
        port: the Service's port that is called; without it, the first one that has routes.
    """
    for dumped in route_dump.get("configs") or []:
        for host in (dumped.get("route_config") or {}).get("virtual_hosts") or []:
            if _is_virtual_host_of(host, service, namespace, port):
                return [_envoy_route(route, service, namespace, port) for route in host.get("routes") or []]
    return None


def _is_virtual_host_of(host: Mapping[str, Any], service: str, namespace: str, port: int | None) -> bool:
    """Tell by its name, HOST:PORT: the domains of one that has its listener for itself are `*`."""
    name, _, number = str(host.get("name")).rpartition(":")
    return is_host_of(name, service, namespace) and port in (None, int(number) if number.isdigit() else None)


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


def _whole(host: str, namespace: str) -> str:
    """Give a Service's name with its namespace, without the cluster's domain; other names as they are.

    >>> _whole("aleph", "staging"), _whole("aleph.staging.svc.cluster.local", "dev"), _whole("example.org", "dev")
    ('aleph.staging', 'aleph.staging', 'example.org')
    """
    return host.partition(".svc.")[0] if "." in host else f"{host}.{namespace}"


def _destination(destination: Mapping[str, Any] | None, own: set[str], namespace: str) -> str:
    """Name where requests go: a subset of the service itself, or something else."""
    given = destination or {}
    host, subset = _whole(str(given.get("host", "")), namespace), str(given.get("subset") or "")
    number = (given.get("port") or {}).get("number")
    port = f":{number}" if number else ""
    return _place(subset, port, host, not own or not given or host in own)


def _place(subset: str, port: str, host: str, own: bool) -> str:
    if own and not port:
        return subset
    return f"{subset} of {host}{port}" if subset else f"{host}{port}"


def _istio_shares(
    destinations: Sequence[Mapping[str, Any]], own: set[str], namespace: str
) -> tuple[tuple[str, float], ...]:
    weights = [
        (_destination(each.get("destination"), own, namespace), each.get("weight") or 0) for each in destinations
    ]
    return _shares([(weights[0][0], 1)] if len(weights) == 1 else weights)


def _shares(weights: Iterable[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    merged: dict[str, float] = {}
    for subset, weight in weights:
        if weight:
            merged[subset] = merged.get(subset, 0) + weight
    total = sum(merged.values())
    return tuple((subset, round(100 * weight / total, 3)) for subset, weight in sorted(merged.items()))


def _envoy_route(route: Mapping[str, Any], service: str, namespace: str, port: int | None) -> Route:
    def place(cluster: Any) -> str:
        parts = str(cluster).split("|")
        if len(parts) != 4:
            return str(cluster)
        other = f":{parts[1]}" if port is not None and parts[1] != str(port) else ""
        return _place(parts[2], other, _whole(parts[3], namespace), is_host_of(parts[3], service, namespace))

    action = route.get("route") or {}
    if "weighted_clusters" in action:
        listed = action["weighted_clusters"].get("clusters") or []
        weights = [(place(each.get("name")), each.get("weight", 0)) for each in listed]
    else:
        weights = [(place(action["cluster"]), 1)] if "cluster" in action else []
    mirror = tuple(
        (
            place(policy.get("cluster")),
            route_effects.envoy_percent((policy.get("runtime_fraction") or {}).get("default_value")),
        )
        for policy in action.get("request_mirror_policies") or []
    )
    return Route(
        route_matches.of_envoy(route.get("match") or {}),
        _shares(weights),
        mirror,
        route_effects.instead_of_envoy(route),
        route_effects.besides_of_envoy(route),
    )
