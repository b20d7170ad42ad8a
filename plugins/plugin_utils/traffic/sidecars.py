# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sidecars: what a caller's proxy knows of at all (pilot/pkg/model/sidecar.go).

The oldest that selects a pod holds for it, else its namespace's, else the root namespace's. What it does not list is
unknown to the proxy, so that no route of it applies there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import label
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.reach import Item, Scope, caller


def cutting_off(scope: Scope, items: Sequence[Item]) -> list[tuple[Item, list[str]]]:
    """Find the Sidecars that keep a service from callers, and from which ones."""
    cut: dict[str, tuple[Item, list[str]]] = {}
    for labels in scope.callers or ({},):
        item = _sidecar_of(scope, items, labels)
        if item and not _reaches(scope, item):
            names = cut.setdefault(label(item), (item, []))[1]
            names += [] if caller(labels) in names else [caller(labels)]
    return list(cut.values())


def hears(scope: Scope, items: Sequence[Item], home: str) -> bool:
    """Tell whether a caller's proxy takes up routes for the service that are in a namespace."""
    found = [_sidecar_of(scope, items, labels) for labels in scope.callers or ({},)]
    return any(item is None or _reaches(scope, item, home) for item in found)


def _sidecar_of(scope: Scope, items: Sequence[Item], labels: Mapping[str, str]) -> Item | None:
    """Find the one Sidecar that holds for a pod of the namespace."""
    by_age = sorted(items, key=lambda item: (str(item["metadata"].get("creationTimestamp") or ""), label(item)))
    selecting: list[Item] = []
    general: list[Item] = []
    roots: list[Item] = []
    for item in by_age:
        selector = (item.get("spec") or {}).get("workloadSelector")
        home = item["metadata"]["namespace"]
        if selector is None:
            {scope.namespace: general, scope.root: roots}.get(home, []).append(item)
        elif home == scope.namespace and labels and (selector.get("labels") or {}).items() <= labels.items():
            selecting.append(item)
    return next(iter([*selecting, *general, *roots]), None)


def _reaches(scope: Scope, item: Item, home: str = "") -> bool:
    """Tell whether a Sidecar's egress lists the service: NAMESPACE/HOST, a namespace being a name, `.`, `*` or `~`.

    Args:
        home: the namespace of what is said of the service, unless it is the service's own.
    """
    listeners = (item.get("spec") or {}).get("egress") or [{"hosts": ["*/*"]}]
    hosts = [[str(host) for host in listener.get("hosts") or []] for listener in listeners]
    return any(_lists(scope, each, home or scope.namespace) for each in hosts)


def _lists(scope: Scope, hosts: Sequence[str], namespace: str) -> bool:
    listed, own = False, "." if namespace == scope.namespace else namespace
    for each in hosts:
        home, _, host = each.partition("/")
        # ~/* is nothing; ~NAMESPACE/HOST leaves out of what the others list.
        left_out, home = home.startswith("~") and each != "~/*", home.removeprefix("~") if each != "~/*" else "~"
        here = home in ("*", own, namespace) or (left_out and not home)
        if here and scope.reach(host, {"metadata": {"namespace": ""}}) in ("exact", "wildcard"):
            if left_out:
                return False
            listed = True
    return listed
