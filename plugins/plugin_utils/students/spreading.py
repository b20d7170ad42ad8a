# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which node a place's pods are for: those of one place sit together, and places are spread evenly.

The scheduler knows pods, and no places: it scatters each place over all nodes, so that a node that dies takes a part
of every one; or it prefers where the images are, so that one node gets them all. A place's database is bound to one
node by its volume anyway. The node is preferred, not required: what has no volume comes back elsewhere when it dies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.requests import is_closed, memory
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.places import Place


def open_nodes(api: Api) -> dict[str, float]:
    """Give the nodes that take pods of people, each with its memory, which is what a place takes most of."""
    return {
        str(node["metadata"]["name"]): memory(node["status"]["allocatable"]["memory"])
        for node in api.items("/api/v1/nodes")
        if not is_closed(node)
    }


def spread(todo: Sequence[Place], there: Sequence[Place], nodes: Mapping[str, float]) -> list[Place]:
    """Give each place that is to be made a node; one that has one, which is there, keeps it.

    Args:
        there: all places, whose nodes count.
        nodes: what they have, in one unit; a node with twice as much gets twice as many.
    """
    named = {place.name: place for place in (*there, *todo)}
    taken = Counter(place.node for place in named.values())
    result = []
    for place in todo:
        node = place.node
        if node not in nodes and nodes:
            node = min(sorted(nodes), key=lambda name: (taken[name] + 1) / nodes[name])
            taken[node] += 1
        result.append(places.changed(place, node=node))
    return result


def on_node(deployment: Mapping[str, Any], node: str) -> dict[str, Any]:
    """Give a Deployment whose pods prefer a node."""
    preferred = {
        "weight": 100,
        "preference": {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]},
    }
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [preferred]}}
    template = deployment["spec"]["template"]
    pod = {**template["spec"], "affinity": affinity}
    return {**deployment, "spec": {**deployment["spec"], "template": {**template, "spec": pod}}}
