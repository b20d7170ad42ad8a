"""Whose namespaces a class would take is looked at before anything is made."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.appliance import Paths
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import owner_labels
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import making, register, sleeping
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.records import Record

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


DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "aleph-v01", "namespace": "PLACE"}}
HOME = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "PLACE"}}
COURSE = making.Class("blue", "staging", [DEPLOYMENT, HOME], [], {}, 24, "", 1)
BEN = f"{NAMESPACES}/ben"
ROUTES = "/apis/networking.istio.io/v1/namespaces/ben/virtualservices"
EMPTY = (ROUTES, f"{BEN}/resourcequotas")


@pytest.fixture
def proofs(there: Any, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each proof was one of a place at its beginning."""
    found: list[bool] = []

    def prove(api: Any, place: Any, *_: Any, fresh: bool) -> Any:
        found.append(fresh)
        return place

    def items(path: str, **query: str) -> Any:
        return read(path, **query) if path not in EMPTY or any(key.startswith(path) for key in there.objects) else []

    read = there.items
    monkeypatch.setattr(there, "items", items)
    monkeypatch.setattr(making, "prove", prove)
    monkeypatch.setattr(making, "with_credentials", lambda api, place, course: place)
    monkeypatch.setattr(Paths, "of", lambda _, item: f"/{item['kind']}")
    return found


def test_a_place_that_failed_at_a_stage_is_proved_where_it_is(there: Any, proofs: list[bool]) -> None:
    nobody: Any = None
    for path, noted in (
        (f"{ROUTES}/mine", {}),
        (f"{ROUTES}/aleph", Record("rollout", "0.1", "0.3", weight=20).annotations),
    ):
        making.make(there, WANTED[1], COURSE, nobody, lambda _: None)
        there.put(path, metadata={"annotations": noted})
    making.make(there, WANTED[1], COURSE, nobody, lambda _: None)
    assert proofs == [True, True, False], "a student's own route is no stage"


def test_one_that_was_on_its_way_to_sleep_is_woken_first(
    there: Any, proofs: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Noted as being made before it is woken: the room's Job would put it to sleep again."""
    nobody: Any = None
    delete, noted = there.delete, list[str]()

    def woken(path: str, grace_seconds: int | None = None) -> None:
        noted.append(register.place_of(there.objects[BEN], "/state").state)
        delete(path, grace_seconds)

    monkeypatch.setattr(there, "delete", woken)
    there.put(f"{sleeping.deployments('ben')}/aleph-v01", spec={"replicas": 2})
    sleeping.begin(there, "ben", "ben", "blue")
    failed = dataclasses.replace(WANTED[1], state="failed")
    register.note(there, failed)
    there.requests.clear()
    making.make(there, failed, COURSE, nobody, lambda _: None)
    assert there.requests[0] == ("delete", f"{BEN}/resourcequotas/asleep")
    assert noted[0] == "making"
    assert there.objects[f"{sleeping.deployments('ben')}/aleph-v01"]["spec"]["replicas"] == 2


def test_it_is_told_that_its_namespace_is_there_before_anything_is_in_it(there: Any, proofs: list[bool]) -> None:
    """Who makes a place holds it from then on."""
    nobody: Any = None
    home = {**HOME, "metadata": {**HOME["metadata"], "labels": {register.STUDENT: "PLACE"}}}  # type: ignore[dict-item]
    course = dataclasses.replace(COURSE, manifests=[DEPLOYMENT, home])
    seen: list[list[str]] = []
    there.requests.clear()
    making.make(
        there, WANTED[1], course, nobody, lambda _: None, lambda: seen.append([path for _, path in there.requests])
    )
    assert "/Deployment" in [path for _, path in there.requests]
    (before,) = seen
    assert "/Namespace" in before
    assert "/Deployment" not in before
