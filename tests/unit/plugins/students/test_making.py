"""Whose namespaces a class would take is looked at before anything is made."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import owner_labels
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import making, register

NAMESPACES = "/api/v1/namespaces"
WANTED = [places.of_student(name, "/state") for name in ("anna", "ben", "carl")]


@pytest.fixture
def there(api: Any) -> Any:
    """A cluster in which ben has a place, and carl has none."""
    api.put(f"{NAMESPACES}/default")
    api.put(f"{NAMESPACES}/ben", metadata={"labels": {**owner_labels("blue"), register.STUDENT: "ben"}})
    return api


def test_names_that_are_free_or_the_student_s_are_taken(there: Any) -> None:
    making.refuse_taken(there, WANTED, "blue")


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({}, "The namespace anna is somebody else's"),
        ({"app.kubernetes.io/managed-by": "Helm"}, "The namespace anna is managed by Helm"),
        ({**owner_labels("green"), register.STUDENT: "anna"}, "The namespace anna is of the room green"),
        (owner_labels("blue"), "The namespace anna is the room's own"),
        ({**owner_labels("blue"), register.STUDENT: "dora"}, "The namespace anna is the room's own"),
    ],
)
def test_one_of_somebody_else_s_ends_it_before_anything_is_made(there: Any, labels: dict[str, str], said: str) -> None:
    there.put(f"{NAMESPACES}/anna", metadata={"labels": labels})
    with pytest.raises(WorkshopError, match=said) as refused:
        making.refuse_taken(there, WANTED, "blue")
    assert str(refused.value).endswith("\nNothing was changed.")
    assert "carl" not in str(refused.value)
    assert there.requests == []
