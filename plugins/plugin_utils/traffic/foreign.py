# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is not ours and still says something about a service's requests: by Istio's own rules, with the reason.

The callers are pods of the service's own namespace. What istiod does (pilot/pkg/model/push_context.go, sidecar.go,
destination_rule.go; pilot/pkg/networking/core/route/route.go):

* VirtualService: of those that the callers' namespace sees (`exportTo`) and that hold for the gateway `mesh`, the one
  with the exact host wins over every wildcard. Of several with it the first takes everything, nothing is merged: those
  exported to named namespaces (ours is exported to all), then the oldest.
* DestinationRule: the first of the callers' namespace, the service's, the root namespace that has one for the host; in
  it the most specific host. Several of one host in a namespace are merged, or replace each other, by age and exportTo.
  One with a `workloadSelector` holds for these pods of its own namespace, instead of the others.
* Sidecar: see sidecars.py.

So once a stage has written its own two objects, with the exact host in the callers' namespace, few others count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import label, named
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import other_writers
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import routes, sidecars
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.reach import Item, Scope

if TYPE_CHECKING:
    from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.live import Live

MESH = "mesh"
# Where a mesh's defaults are, unless its meshConfig says otherwise (rootNamespace).
ROOT_NAMESPACE = "istio-system"


@dataclass(frozen=True)
class Rule:
    """A VirtualService, DestinationRule or Sidecar that is not ours.

    Attributes:
        item: the object as it is.
        counts: whether it governs requests of a caller now, or would after a stage has written its own objects.
        sentence: why, and what to do about it when it counts.
        taken_over: the object as `takeover` leaves it, without the service's host; None where that changes nothing.
        deletable: whether `takeover` deletes it: it says nothing else, and is in the application's namespace.
    """

    item: Item
    counts: bool
    sentence: str
    taken_over: dict[str, Any] | None = None
    deletable: bool = False


def rules(
    service: str,
    namespace: str,
    live: Live,
    caller_labels: Sequence[Mapping[str, str]] = (),
    domain: str = routes.DOMAIN,
    root: str = ROOT_NAMESPACE,
) -> list[Rule]:
    """Find what is not ours and counts for a service, or would if ours were not there.

    What can never reach the callers (not exported to them, for gateways alone, in a namespace that is not asked or that
    their Sidecars do not list) is as if it were not there.

    Args:
        caller_labels: labels of the pods that call it; none when they are not known: then every selector may match.
        domain: the cluster's DNS domain.
        root: the mesh's root namespace.
    """
    scope = Scope(service, namespace, tuple(caller_labels), domain, root)
    return [
        *_virtual_services(scope, live.virtual_services, live.sidecars),
        *_destination_rules(scope, live.destination_rules),
        *(_cutting_off(scope, *found) for found in sidecars.cutting_off(scope, live.sidecars)),
    ]


def labels_of(pods: Sequence[Item], apps: Sequence[str]) -> list[dict[str, str]]:
    """Give the labels of the pods that call a service: those whose label `app` is one of these."""
    found = [dict(pod["metadata"].get("labels") or {}) for pod in pods]
    return [labels for labels in found if labels.get("app") in apps]


def refusals(found: Sequence[Rule], takeover: bool) -> list[str]:
    """Give a sentence for each rule that a stage cannot go on beside; `takeover` settles what it may."""
    return [rule.sentence for rule in found if rule.counts and not (takeover and (rule.taken_over or rule.deletable))]


def settled(found: Sequence[Rule]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Give what `takeover` makes of the rules of one or several services: the objects to write, those to delete.

    An object may name several of the services; all of them leave it at once.
    """
    by_object: dict[str, list[Rule]] = {}
    for rule in found:
        if rule.counts and (rule.deletable or rule.taken_over):
            by_object.setdefault(label(rule.item), []).append(rule)
    left_over, deleted = [], []
    for same in by_object.values():
        item = same[0].item
        kept = [[] if rule.taken_over is None else _hosts(rule.taken_over) for rule in same]
        hosts = [host for host in _hosts(item) if all(host in each for each in kept)]
        left = same[0].taken_over if len(same) == 1 else _without(item, hosts)
        if left:
            left_over.append(left)
        else:
            deleted.append(dict(item))
    return left_over, deleted


def edited(item: Item) -> str:
    """Refuse to overwrite an object of ours that somebody else has changed (live.is_edited)."""
    return f"{changed(item)}: undo that, or type -e takeover=true to write it anew."


def changed(item: Item) -> str:
    """Say who has changed an object of ours."""
    writers = other_writers(item)
    by = f"was changed by {', '.join(writers)}" if writers else "is not this workshop's"
    return f"{label(item)} {by}"


# VirtualServices


def _virtual_services(scope: Scope, items: Sequence[Item], hidden: Sequence[Item]) -> Iterator[Rule]:
    own = named(items, scope.namespace, scope.service)
    if own and (_rank(own, scope.namespace) is None or scope.closest(_hosts(own), own) != "exact"):
        own = None
    for item in items:
        reach = None if scope.is_own(item) else scope.closest(_hosts(item), item)
        if reach is None or _rank(item, scope.namespace) is None:
            continue
        if not sidecars.hears(scope, hidden, item["metadata"]["namespace"]):
            continue
        callers = _routed(scope, item)
        what = f"{label(item)}{_by(item)}"
        if not callers:
            yield Rule(item, False, f"{what} names {scope.service}, but has no route for requests of its callers.")
        elif reach == "wildcard":
            yield Rule(item, False, _less_specific(item, _hosts(item), scope, own, "routes"))
        elif own and _is_before(own, item, scope.namespace):
            yield Rule(item, False, f"{what} names {scope.service} too, but {label(own)} is older and goes before it.")
        else:
            called = "" if reach == "exact" else f" that is called {_named_as(scope, item)}"
            yield _counting(scope, item, f"{what} routes {scope.service}{called} for {', '.join(callers)}")


def _hosts(item: Item) -> list[str]:
    return [str(host) for host in (item.get("spec") or {}).get("hosts") or []]


def _rank(item: Item, client: str) -> int | None:
    """Tell how early istiod asks a VirtualService for pods of a namespace; None when it does not."""
    spec = item.get("spec") or {}
    if MESH not in (spec.get("gateways") or [MESH]):
        return None
    exported = {item["metadata"]["namespace"] if each == "." else str(each) for each in spec.get("exportTo") or ["*"]}
    if "*" in exported:
        return 1
    return 0 if client in exported and "~" not in exported else None


def _is_before(own: Item, other: Item, client: str) -> bool:
    """Tell whether ours surely goes before another one; where an age is not known, it does not."""
    keys = [
        (_rank(item, client) or 0, str(meta.get("creationTimestamp") or ""), meta["name"], meta["namespace"])
        for item in (own, other)
        for meta in (item["metadata"],)
    ]
    return all(key[1] for key in keys) and keys[0] < keys[1]


def _routed(scope: Scope, item: Item) -> list[str]:
    """Name the callers for which a VirtualService has a route; one that only has TCP or TLS routes has none."""
    matches = [
        match
        for route in (item.get("spec") or {}).get("http") or []
        for match in route.get("match") or [{}]
        if (MESH in match["gateways"] if match.get("gateways") else True)
        and match.get("sourceNamespace") in (None, "", scope.namespace)
    ]
    # Labels of the source do not matter where gateways are named.
    found = [
        caller
        for match in matches
        for caller in scope.selected({} if match.get("gateways") else match.get("sourceLabels") or {})
    ]
    return list(dict.fromkeys(found))


def _named_as(scope: Scope, item: Item) -> str:
    return next(host for host in _hosts(item) if scope.reach(host, item) == "alias")


# DestinationRules


def _destination_rules(scope: Scope, items: Sequence[Item]) -> Iterator[Rule]:
    own = named(items, scope.namespace, scope.service)
    if own and scope.reach(_host(own), own) != "exact":
        own = None
    for item in items:
        reach = None if scope.is_own(item) else scope.reach(_host(item), item)
        # Any other name than the Service's own is no Service to a DestinationRule.
        if reach in (None, "alias") or not _is_asked(scope, item):
            continue
        spec = item["spec"]
        what = f"{label(item)}{_by(item)}"
        if item["metadata"]["namespace"] != scope.namespace or reach == "wildcard":
            yield Rule(item, False, _less_specific(item, [_host(item)], scope, own, _settings(spec)))
            continue
        # Without a selector: merged with ours, or with another exportTo the newer one alone (istiod 1.31; older ones
        # merge then too). That ours is the newer one is not relied on.
        selector = spec.get("workloadSelector")
        callers = scope.selected((selector or {}).get("matchLabels") or {})
        if callers:
            who = f" for {', '.join(callers)}" if selector is not None else ""
            yield _counting(scope, item, f"{what} sets {_settings(spec)} of {scope.service}{who}")


def _host(item: Item) -> str:
    return str((item.get("spec") or {}).get("host") or "")


def _is_asked(scope: Scope, item: Item) -> bool:
    """Tell whether istiod looks at a DestinationRule for the callers, who are in the service's namespace."""
    home, spec = item["metadata"]["namespace"], item["spec"]
    # With a selector it is never exported.
    exported = {"."} if spec.get("workloadSelector") is not None else {*map(str, spec.get("exportTo") or ["*"])}
    if home == scope.namespace:
        return not exported.isdisjoint({"*", ".", home})
    return home == scope.root and not exported.isdisjoint({"*", scope.namespace})


def _settings(spec: Item) -> str:
    settings = [*(spec.get("trafficPolicy") or {}), *(["subsets"] if spec.get("subsets") else [])]
    return ", ".join(sorted(settings)) or "nothing"


# Sentences


def _cutting_off(scope: Scope, item: Item, callers: Sequence[str]) -> Rule:
    meta = item["metadata"]
    host = f"{scope.namespace}/{routes.host_prefix(scope.service, scope.namespace)}.{scope.domain}"
    return Rule(
        item,
        True,
        f"{label(item)}{_by(item)} keeps {scope.service} from {', '.join(callers)}, so that no route of it applies "
        f"there: add {host} to its egress hosts with kubectl -n {meta['namespace']} edit sidecar {meta['name']}.",
    )


def _by(item: Item) -> str:
    writers = other_writers(item)
    return f", written by {', '.join(writers)}," if writers else ""


def _less_specific(item: Item, hosts: Sequence[str], scope: Scope, own: Item | None, settings: str) -> str:
    shown = f"{label(item)} (host {', '.join(hosts)}: {settings}){_by(item)}"
    if own:
        return f"{shown} does not hold for {scope.service}: {label(own)} is closer, and replaces it as a whole."
    return (
        f"{shown} holds for {scope.service} until a stage writes its own, which is closer and replaces it as a whole."
    )


def _counting(scope: Scope, item: Item, what: str) -> Rule:
    """Say what a rule does, and what `takeover` would make of it."""
    meta, kind = item["metadata"], str(item["kind"]).lower()
    at = f"kubectl -n {meta['namespace']}"
    own = f"{what}, and is not this workshop's"
    if meta["namespace"] != scope.namespace:
        return Rule(
            item,
            True,
            f"{own}; nothing outside {scope.namespace} is changed from here: ask those who own {meta['namespace']} to "
            f"take {scope.service} out of it ({at} edit {kind} {meta['name']}).",
        )
    left = _left(scope, item)
    if left is None:
        sentence = (
            f"{own}: delete it ({at} delete {kind} {meta['name']}), or type -e takeover=true to have it deleted "
            "(a copy is kept)."
        )
        return Rule(item, True, sentence, deletable=True)
    sentence = (
        f"{own}: take {scope.service} out of it ({at} edit {kind} {meta['name']}), or type -e takeover=true to have "
        "that done (a copy is kept)."
    )
    return Rule(item, True, sentence, taken_over=left)


def _left(scope: Scope, item: Item) -> dict[str, Any] | None:
    """Give what is left of an object that says nothing of the service any more."""
    return _without(item, [host for host in _hosts(item) if scope.reach(host, item) not in ("exact", "alias")])


def _without(item: Item, hosts: Sequence[str]) -> dict[str, Any] | None:
    """Give what is left of an object with these hosts alone; None when that is nothing."""
    spec = item["spec"]
    if hosts:
        return {**item, "spec": {**spec, "hosts": list(hosts)}}
    # What comes in from outside goes on.
    gateways = [gateway for gateway in spec.get("gateways") or [] if gateway != MESH]
    return {**item, "spec": {**spec, "gateways": gateways}} if gateways else None
