"""A place's objects bear its name, our labels and the student's, and come in an order that works."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import owner_labels
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import objects, register

ANNA = places.of_student("anna", "/state")


def manifest(kind: str, name: str = "x", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "PLACE"}, **fields}


def test_the_name_stands_wherever_it_belongs() -> None:
    binding = manifest("RoleBinding", "images-PLACE", subjects=[{"namespace": "PLACE", "name": "student"}], number=3)
    (made,) = objects.of_place([binding], ANNA, "blue")
    assert made["metadata"]["name"] == "images-anna"
    assert made["subjects"] == [{"namespace": "anna", "name": "student"}]
    assert made["number"] == 3
    assert binding["metadata"]["name"] == "images-PLACE", "what is rendered for all stays as it is"


def test_each_bears_the_room_s_label_and_the_student_s() -> None:
    (made,) = objects.of_place([manifest("Service")], ANNA, "blue")
    assert made["metadata"]["labels"] == {**owner_labels("blue"), register.STUDENT: "anna"}


def test_pods_are_made_last_and_the_namespace_first() -> None:
    kinds = [*reversed(objects.ORDER)]
    made = objects.of_place([manifest(kind) for kind in kinds], ANNA, "blue")
    assert [item["kind"] for item in made] == [*objects.ORDER]
    assert made[0]["kind"] == "Namespace"
    policies = [item["kind"] for item in made].index("NetworkPolicy")
    assert policies < [item["kind"] for item in made].index("Deployment")


def test_a_kind_whose_turn_is_not_known_is_refused() -> None:
    with pytest.raises(WorkshopError, match="Job"):
        objects.of_place([manifest("Job")], ANNA, "blue")
