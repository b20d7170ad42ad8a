"""A place is judged again when its turn comes, and held while it is put right."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.action import traffic_stage
from ansible_collections.istio_games.workshop.plugins.action.traffic_stage import ActionModule
from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import owner_labels
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import mending, register, sleeping

ANNA = places.changed(places.of_student("anna", "/state"), state="ready")
HOME = "/api/v1/namespaces/anna"


class Led:
    """An action of which what works on the cluster only says that it was called."""

    def __init__(self, api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.did: list[str] = []
        # Whether the room's own Job would take the place to be at work, while it is put right.
        self.busy: list[bool] = []
        self._api = api
        monkeypatch.setattr(traffic_stage, "Mending", self._mending)
        monkeypatch.setattr(traffic_stage, "Command", self._command)
        monkeypatch.setattr(ActionModule, "check_mode", False)
        monkeypatch.setattr(ActionModule, "another_api", lambda _: api)
        monkeypatch.setattr(ActionModule, "images", lambda *_: None)
        self.action = ActionModule.__new__(ActionModule)

    def lead(self, anew: bool, place: places.Place = ANNA) -> dict[str, Any]:
        given = {"anew": anew, "objects": [], "deployments": [], "services": [], "timeout": 1}
        known = {"api": self._api, "room": "blue", "_given": given, "_alone": True, "_diffs": {}, "_paths": None}
        self.action.__dict__.update(known, _asked=None)
        return self.action._lead(place, lambda _: None)

    def _mending(self, *_: Any) -> Any:
        self.busy.append(sleeping.stage_is_at_work(self._api, "anna", sleeping.ago(seconds=sleeping.HELD_SECONDS)))
        return self

    def run(self) -> Any:
        self.did.append("mended")
        return mending.Mended()

    def _command(self, *_: Any) -> Any:
        did = self.did

        class Stage:
            diff: tuple[Any, ...] = ()

            def run(self) -> dict[str, Any]:
                did.append("led")
                return {"told": [], "objects": []}

        return Stage()


@pytest.fixture
def led(api: Any, monkeypatch: pytest.MonkeyPatch) -> Led:
    api.put(HOME, metadata={"labels": {**owner_labels("blue"), register.STUDENT: "anna"}})
    register.note(api, ANNA)
    return Led(api, monkeypatch)


STATES = [
    pytest.param("ready", False, "", id="ready"),
    pytest.param("suspended", False, "anna is suspended", id="put to sleep meanwhile"),
    pytest.param("failed", False, "anna was not made whole", id="failed meanwhile"),
    pytest.param("ready", True, "", id="goto"),
    pytest.param("failed", True, "", id="goto, which puts it right"),
    pytest.param("suspended", True, "anna is suspended", id="goto, put to sleep meanwhile"),
]


@pytest.mark.parametrize(("state", "anew", "refused"), STATES)
def test_a_place_is_judged_when_its_turn_comes(api: Any, led: Led, state: str, anew: bool, refused: str) -> None:
    """In a class of thirty that may be minutes later: a place that sleeps would run, and be called suspended."""
    register.note(api, places.changed(ANNA, state=state))
    if refused:
        with pytest.raises(WorkshopError, match=refused):
            led.lead(anew)
    else:
        led.lead(anew)
    assert led.did == ([] if refused else [*(["mended"] if anew else []), "led"])


@pytest.mark.parametrize("anew", [False, True])
def test_a_place_that_was_removed_meanwhile_is_not_made(api: Any, led: Led, anew: bool) -> None:
    api.delete(HOME)
    with pytest.raises(WorkshopError, match="anna has no place any more"):
        led.lead(anew)
    assert led.did == []


@pytest.mark.parametrize("anew", [False, True])
@pytest.mark.parametrize("labels", [{}, {**owner_labels("green"), register.STUDENT: "anna"}])
def test_a_namespace_that_became_somebody_else_s_meanwhile_is_left_alone(
    api: Any, led: Led, labels: dict[str, str], anew: bool
) -> None:
    api.objects[HOME]["metadata"]["labels"] = labels
    with pytest.raises(WorkshopError, match=r"The namespace anna is .*Nothing was changed"):
        led.lead(anew)
    assert led.did == []
    assert [path for path in api.objects if "/namespaces/anna" in path] == [HOME]


def test_nobody_puts_a_place_to_sleep_that_is_put_right(led: Led) -> None:
    led.lead(anew=True)
    assert led.busy == [True]


def test_the_room_s_own_place_is_always_ready(api: Any, led: Led) -> None:
    led.lead(anew=True, place=places.of_room("staging", "/state"))
    assert led.did == ["mended", "led"]
