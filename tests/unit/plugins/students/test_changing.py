"""A place that sleeps remembers what ran; what a removal left half done is found again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import owner_labels
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import changing, making, register, sleeping

ANNA = places.of_student("anna", "/state")
NAMESPACE = "/api/v1/namespaces/anna"
DEPLOYMENTS = "/apis/apps/v1/namespaces/anna/deployments"
ASLEEP = f"{NAMESPACE}/resourcequotas/asleep"


@pytest.fixture
def there(api: Any) -> Any:
    """A cluster with anna's place, in which three Deployments run with 1, 3 and no pods."""
    api.put(NAMESPACE, metadata={"labels": {**owner_labels("blue"), register.STUDENT: "anna"}})
    for name, replicas in (("front", 1), ("aleph", 3), ("beth", 0)):
        api.put(f"{DEPLOYMENTS}/{name}", spec={"replicas": replicas})
    return api


def replicas(api: Any) -> dict[str, int]:
    return {name: api.objects[f"{DEPLOYMENTS}/{name}"]["spec"]["replicas"] for name in ("front", "aleph", "beth")}


def woken(api: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Resume it, and name what is waited for."""
    proved: list[str] = []

    def prove(api: Any, place: Any, course: Any, outside: Any, names: list[str], say: Any, *, fresh: bool) -> Any:
        assert not fresh, "it may be at any stage"
        proved.extend(names)
        return place

    monkeypatch.setattr(making, "with_credentials", lambda api, place, course: place)
    monkeypatch.setattr(making, "prove", prove)
    course = making.Class("blue", "staging", [], [], {}, 24, "", 1)
    changing.resume(api, ANNA, course, None, lambda _: None)  # type: ignore[arg-type]
    return sorted(proved)


def test_a_place_sleeps_and_wakes_as_it_was(there: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asleep = changing.suspend(there, ANNA, "blue", lambda _: None)
    assert asleep.state == "suspended"
    assert replicas(there) == {"front": 0, "aleph": 0, "beth": 0}
    assert there.objects[ASLEEP]["spec"]["hard"] == {"pods": "0"}, "whoever scales meanwhile gets no pod"
    assert register.place_of(there.objects[NAMESPACE], "/state").state == "suspended"
    assert woken(there, monkeypatch) == ["aleph", "front"]
    assert replicas(there) == {"front": 1, "aleph": 3, "beth": 0}
    assert ASLEEP not in there.objects
    assert not [item for item in there.objects.values() if sleeping.REPLICAS in item["metadata"].get("annotations", {})]


def test_who_is_killed_while_putting_it_to_sleep_forgets_nothing(there: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    merge, written = there.merge, list[str]()

    def killed(path: str, body: Any) -> Any:
        if len(written) == 1:
            raise KeyboardInterrupt
        written.append(path)
        return merge(path, body)

    monkeypatch.setattr(there, "merge", killed)
    with pytest.raises(KeyboardInterrupt):
        changing.suspend(there, ANNA, "blue", lambda _: None)
    monkeypatch.setattr(there, "merge", merge)
    changing.suspend(there, ANNA, "blue", lambda _: None)
    woken(there, monkeypatch)
    assert replicas(there) == {"front": 1, "aleph": 3, "beth": 0}


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({}, "The namespace anna is somebody else's"),
        (owner_labels("green"), "The namespace anna is of the room green"),
        (owner_labels("blue"), "The namespace anna is the room's own, and no student's"),
    ],
)
def test_what_is_no_student_s_of_this_room_is_left_alone(api: Any, labels: dict[str, str], said: str) -> None:
    api.put(NAMESPACE, metadata={"labels": labels})
    api.put(f"{DEPLOYMENTS}/front", spec={"replicas": 1})
    for work in (changing.suspend, changing.remove):
        with pytest.raises(WorkshopError, match=said):
            work(api, ANNA, "blue", lambda _: None)
    assert api.requests == []
    assert api.objects[f"{DEPLOYMENTS}/front"]["spec"] == {"replicas": 1}


def test_files_of_a_place_that_is_gone_are_found(tmp_path: Path) -> None:
    assert list(changing.leftovers(str(tmp_path), [])) == []
    for name in ("anna", "ben"):
        (tmp_path / "students" / name).mkdir(parents=True)
    (tmp_path / "students" / "file").touch()
    assert [place.name for place in changing.leftovers(str(tmp_path), ["ben"])] == ["anna"]
