"""Places are spread evenly over nodes, a place's pods sit together, and nobody is moved."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.places import Place
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import objects, spreading

GIB = 2.0**30


def students(number: int, node: str = "") -> list[Place]:
    return [places.changed(places.of_student(name, "/state"), node=node) for name in places.names(number)]


@pytest.mark.parametrize(
    ("memory", "number", "found"),
    [
        pytest.param({"a": 8, "b": 8}, 30, {"a": 15, "b": 15}, id="evenly"),
        pytest.param({"a": 8, "b": 8, "c": 8}, 31, {"a": 11, "b": 10, "c": 10}, id="one more"),
        pytest.param({"a": 8, "b": 16}, 30, {"a": 10, "b": 20}, id="by their memory"),
        pytest.param({}, 2, {"": 2}, id="no node takes pods: the scheduler will say so"),
    ],
)
def test_nodes_get_their_share(memory: dict[str, float], number: int, found: dict[str, int]) -> None:
    made = spreading.spread(students(number), [], memory)
    assert Counter(place.node for place in made) == found


def test_who_is_there_counts_and_stays() -> None:
    there = students(4, "a")
    made = spreading.spread([*there, *students(8)[4:]], there, {"a": GIB, "b": GIB})
    assert [place.node for place in made] == ["a"] * 4 + ["b"] * 4


def test_a_node_that_is_gone_is_left() -> None:
    (made,) = spreading.spread(students(1, "dead"), students(1, "dead"), {"a": GIB})
    assert made.node == "a"


def test_a_closed_node_gets_nobody(api: Any) -> None:
    allocatable = {"allocatable": {"memory": "8Gi"}}
    api.put("/api/v1/nodes/a", spec={}, status=allocatable)
    taint = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}
    api.put("/api/v1/nodes/dead", spec={"taints": [taint]}, status=allocatable)
    api.put("/api/v1/nodes/drained", spec={"unschedulable": True}, status=allocatable)
    assert spreading.open_nodes(api) == {"a": 8 * GIB}


def test_all_pods_of_a_place_prefer_its_node() -> None:
    deployment = {
        "kind": "Deployment",
        "metadata": {"name": "front", "namespace": "PLACE"},
        "spec": {"template": {"spec": {"containers": []}}},
    }
    (place,) = students(1, "a")
    (made,) = objects.of_place([deployment], place, "blue")
    (term,) = made["spec"]["template"]["spec"]["affinity"]["nodeAffinity"][
        "preferredDuringSchedulingIgnoredDuringExecution"
    ]
    assert term["preference"]["matchFields"] == [{"key": "metadata.name", "operator": "In", "values": ["a"]}]
    (free,) = objects.of_place([deployment], places.changed(place, node=""), "blue")
    assert "affinity" not in free["spec"]["template"]["spec"]
