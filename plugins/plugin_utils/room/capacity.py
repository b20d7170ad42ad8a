# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How many students fit: what a place costs, what there is, what limits it, and what to change.

A place costs as much as it does at work: while a canary runs, each service with stages runs twice. What is there is a
list of pools for each resource, such as a node's pods or a machine's memory. A pod is in one pool, so that what is left
in several is not one sum; a place's pods may be in several.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.columns import ruled

SCHEMA = "istio-workshop/plan/1"
MOST_POLICIES = 300  # more were not tried: 60 places of 5
MEASURED = "measured on 27 November 2026 with thirty places in a room of one node"


@dataclass(frozen=True)
class Resource:
    """What a place takes of something.

    Attributes:
        unit: for people; empty where it is counted.
        cure: what to change when it is what limits a class.
        soft: whether a class that has too little of it becomes slow, and no more.
    """

    title: str
    unit: str
    cure: str
    soft: bool = False


WORKER = "add a worker to the inventory (docs/nodes.md)"
RESOURCES: dict[str, Resource] = {
    "memory": Resource("memory", "MB", "take fewer students, or a machine with more memory"),
    "cpu": Resource(
        "CPU requests", "m", f"lower student_cpu_request and student_proxy_resources (1m is the least), or {WORKER}"
    ),
    "pods": Resource("pods", "", f"raise workshop_max_pods (at most 250), or {WORKER}"),
    "nodes": Resource(
        "places for pods (no node takes any)", "", f"start a node, or uncordon one (kubectl get nodes), or {WORKER}"
    ),
    "addresses": Resource("addresses", "", f"a node has one /24 of workshop_pod_subnet: {WORKER}"),
    "inotify": Resource(
        "inotify instances of one user",
        "",
        "raise it on the machine (sysctl fs.inotify.max_user_instances=4096)",
    ),
    "threads": Resource(
        "threads",
        "",
        "raise it on the machine (sysctl kernel.pid_max=262144 kernel.threads-max=262144), or lower "
        "workshop_pod_threads",
    ),
    "disk": Resource("disk", "MB", "free some space, or take fewer students"),
    "policies": Resource("network policies", "", "take fewer students: more were not tried"),
    "processor": Resource(
        "processor", "m", "lower student_load_rate, or take more cores: it becomes slow, no more", soft=True
    ),
}

NODE = "add a node to the cluster"
# What to change in a cluster that somebody brought, to which a room adds no node, and which it tells nothing.
OF_BROUGHT: dict[str, str] = {
    "cpu": f"lower student_cpu_request and student_proxy_resources (1m is the least), or {NODE}",
    "pods": f"raise maxPods of its nodes' kubelets, or {NODE}",
    "nodes": f"start a node, or uncordon one (kubectl get nodes), or {NODE}",
    "addresses": f"a node has no more of the cluster's network: {NODE}",
    "inotify": "raise it on the nodes (sysctl fs.inotify.max_user_instances=4096)",
    "threads": "raise it on the nodes (sysctl kernel.pid_max=262144 kernel.threads-max=262144)",
}


# A place has these at once: they do not grow with its pods.
OF_PLACES = ("policies", "processor")


@dataclass(frozen=True)
class Cost:
    """What one pod of a place takes, on average, and how many pods a place has.

    Attributes:
        pods: while nothing is tried; at_work: while every service with stages runs twice.
        memory, disk: MB.
        cpu: requests, in thousandths of a core.
        inotify: instances of its proxy's user, who is the same in all pods.
        idle: thousandths of a core that a place without requests takes; request: those of one request a second.
        policies: of a place.
        source: where the numbers are from.
    """

    pods: int = 5
    at_work: int = 7
    memory: float = 70.0
    cpu: float = 30.0
    inotify: float = 3.0
    threads: float = 132.0
    disk: float = 20.0
    idle: float = 15.0
    request: float = 10.0
    policies: float = 5.0
    source: str = MEASURED

    @property
    def staged(self) -> int:
        """How many services have stages: the load client asks them."""
        return self.at_work - self.pods

    def runaway(self, threads: float, disk: float) -> dict[str, float]:
        """Give what one place may take over what it takes at work, by resource: all that its quota and kubelets let it.

        Args:
            threads, disk: the most that a place may have; 0 where nobody limits it.
        """
        most = {"threads": threads, "disk": disk}
        return {name: max(0.0, amount - self.at_work * float(getattr(self, name))) for name, amount in most.items()}

    def of_pod(self, resource: str, requests: float) -> float:
        """Give what a pod takes of a resource, with so many requests a second to its place."""
        counted = {"pods": 1.0, "nodes": 1.0, "addresses": 1.0}
        if resource in OF_PLACES:
            return (self.policies if resource == "policies" else self.idle + self.request * requests) / self.at_work
        return counted[resource] if resource in counted else float(getattr(self, resource))


@dataclass(frozen=True)
class Pool:
    """What one node or machine has of a resource, and what is taken or kept back of it."""

    total: float
    taken: float = 0.0

    @property
    def free(self) -> float:
        """What is left."""
        return max(0.0, self.total - self.taken)


@dataclass(frozen=True)
class Means:
    """What there is.

    Attributes:
        pools: by resource; one that is not named is not judged.
        there: students who have places already, whose pods are among what is taken.
        growing: pods that these get besides while they are at work, which others must leave them.
        source: what was looked at.
    """

    pools: Mapping[str, Sequence[Pool]]
    there: Sequence[str] = field(default_factory=tuple)
    growing: int = 0
    source: str = ""


def keeping_back(means: Means, amounts: Mapping[str, float]) -> Means:
    """Give what there is without so much of some resources on each node or machine that has some."""
    pools = {
        name: [dataclasses.replace(pool, taken=pool.taken + amounts.get(name, 0.0)) for pool in each]
        for name, each in means.pools.items()
    }
    return dataclasses.replace(means, pools=pools)


def plan(
    students: Sequence[str], cost: Cost, means: Means, requests: float = 0.0, brought: bool = False
) -> dict[str, Any]:
    """Say what fits.

    Args:
        students: the names of all who are to have places.
        requests: those of one place's load client in a second, to all services together.
        brought: whether the cluster is somebody's own, not the room's.

    Returns:
        The plan as data (docs/status.md).
    """
    more = len({*students} - {*means.there})
    rows = [
        _row(name, pools, cost, means, more, requests)
        | ({"cure": OF_BROUGHT.get(name, RESOURCES[name].cure)} if brought else {})
        for name, pools in means.pools.items()
        if pools and cost.of_pod(name, requests)  # what costs nothing limits nobody
    ]
    hard = [row for row in rows if not row["soft"]]
    limit = min(hard, key=lambda row: row["fits"], default=None)
    nodes = len(means.pools.get("pods", ()))
    return {
        "schema": SCHEMA,
        "students": len(students),
        "there": len(means.there),
        "more": more,
        "fits": limit["fits"] if limit else None,
        "limit": limit["resource"] if limit else None,
        "resources": rows,
        "place": {"pods": cost.pods, "pods_at_work": cost.at_work, "measured": cost.source},
        "room": means.source,
        "nodes": nodes,
        "places_of_a_node": math.ceil(len({*students, *means.there}) / nodes) if nodes else None,
        "problems": [_problem(row, more) for row in hard if row["short"] > 0],
        "warnings": [_problem(row, more) for row in rows if row["soft"] and row["short"] > 0],
    }


def _row(name: str, pools: Sequence[Pool], cost: Cost, means: Means, more: int, requests: float) -> dict[str, Any]:
    pod, resource, there = cost.of_pod(name, requests), RESOURCES[name], len(means.there)
    growing = 0 if name in OF_PLACES else means.growing
    pods = max(0, sum(math.floor(pool.free / pod + 1e-9) for pool in pools) - growing)
    each = pod * cost.at_work
    free = max(0, sum(pool.free for pool in pools) - growing * pod)
    fits = there + pods // cost.at_work
    return {
        "resource": name,
        "title": resource.title,
        "unit": resource.unit,
        "each": round(each, 1),
        "total": round(sum(pool.total for pool in pools)),
        "free": round(free),
        "needed": round(each * more),
        "fits": fits,
        "short": max(0, there + more - fits),
        "soft": resource.soft,
        "cure": resource.cure,
    }


def _problem(row: Mapping[str, Any], more: int) -> str:
    unit = f" {row['unit']}" if row["unit"] else ""
    return (
        f"{_number(more)} {'needs' if more == 1 else 'need'} {row['needed']}{unit} more of {row['title']}, "
        f"{row['free']}{unit} are free: it is enough for {row['fits']} in all. What to change: {row['cure']}."
    )


def _number(students: int) -> str:
    return f"{students} student{'' if students == 1 else 's'}"


def refusal(planned: Mapping[str, Any]) -> str:
    """Give the sentences with which a class that does not fit is refused; empty if it fits."""
    if not planned["problems"]:
        return ""
    more, there = planned["more"], planned["there"]
    beside = f" beside the {there} who {'has a place' if there == 1 else 'have places'}" if there else ""
    return "\n".join(
        [
            f"{_number(more)} {'does' if more == 1 else 'do'} not fit{beside}, there is room for {planned['fits']}"
            f"{' in all' if there else ''}: nothing was changed.",
            *planned["problems"],
        ]
    )


def table(planned: Mapping[str, Any]) -> list[str]:
    """Show a plan to people."""
    rows = [("what", "a student", "free", "needed", "fits", "")]
    for row in planned["resources"]:
        unit = f" {row['unit']}" if row["unit"] else ""
        numbers = (f"{row[name]:g}{unit}" for name in ("each", "free", "needed"))
        mark = "" if not row["short"] else "slow" if row["soft"] else "too little"
        rows.append((row["title"], *numbers, str(row["fits"]), mark))
    return ["", *ruled(rows), "", *_said(planned), ""]


def _spread(nodes: int, places: int) -> list[str]:
    return [f"Places are spread over {nodes} nodes: one that dies takes up to {places} of them."] if nodes > 1 else []


def _said(planned: Mapping[str, Any]) -> list[str]:
    what = RESOURCES[planned["limit"]].title if planned["limit"] else ""
    place, room = planned["place"], planned["room"]
    enough = not planned["problems"]
    return [
        f"{_number(planned['students'])} {'fit' if enough else 'do not fit'}: there is room for {planned['fits']}"
        f"{f', limited by {what}' if what else ''} ({planned['there']} have places).",
        f"A place has {place['pods']} pods, {place['pods_at_work']} while new versions are tried; {place['measured']}.",
        *([f"Looked at: {room}."] if room else []),
        *_spread(planned["nodes"], planned["places_of_a_node"]),
        *planned["problems"],
        *planned["warnings"],
    ]
