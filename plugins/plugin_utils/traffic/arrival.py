# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What arrives: a proxy's route promises a share, its cluster with a healthy endpoint keeps the promise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import route_matches
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.expectation import View
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.routes import Route

Shares = dict[str, float]


def for_everybody(found: Sequence[Route] | None) -> Shares:
    """Give the percent by subset of the requests that meet no special rule; nothing where no route is left for them."""
    rest = next((route for route in found or [] if not route.match), None)
    return dict(rest.shares) if rest else {}


def arriving(view: View) -> Shares:
    """Give the percent by subset of those requests that a proxy can send on."""
    return {
        subset: share for subset, share in for_everybody(view.routes).items() if _trouble(subset, view, None) is None
    }


def losses(service: str, views: Mapping[str, View], rule: Mapping[str, Any] | None) -> list[str]:
    """Say which requests get an error, from which pods, and why.

    Args:
        views: what each calling pod's proxy holds of the service.
        rule: the service's DestinationRule, None when there is none.
    """
    pods: dict[str, list[str]] = {}
    for pod, view in sorted(views.items()):
        for sentence in _lost(service, view, rule):
            pods.setdefault(sentence, []).append(pod)
    return [f"{sentence} ({', '.join(names)})." for sentence, names in pods.items()]


def _lost(service: str, view: View, rule: Mapping[str, Any] | None) -> list[str]:
    if view.routes is None:
        return [f"the proxy has no route for {service}"]
    if all(route.match for route in view.routes):
        return [f"no route is left for requests that meet no rule of {service}: they get 404"]
    found = []
    for route in view.routes:
        where = f" where {route_matches.shown(route.match)}" if route.match else ""
        for subset, share in route.shares:
            trouble = _trouble(subset, view, rule)
            if trouble:
                found.append(f"{share:g} % of the requests{where} go to {subset} and get 503: {trouble}")
    return found


def _trouble(subset: str, view: View, rule: Mapping[str, Any] | None) -> str | None:
    """Say why a subset does not get its requests; what goes to no subset of the service is not looked at."""
    if not subset or " of " in subset or "." in subset:
        return None
    cluster = view.subsets.get(subset)
    if cluster is not None:
        return None if cluster.healthy else "the proxy knows no healthy endpoint of it"
    named = {str(each.get("name")) for each in ((rule or {}).get("spec") or {}).get("subsets") or []}
    if rule is None:
        return "there is no DestinationRule that says which pods it is"
    if subset not in named:
        return f"DestinationRule {rule['metadata']['namespace']}/{rule['metadata']['name']} has no such subset"
    return "the proxy has no cluster for it"
