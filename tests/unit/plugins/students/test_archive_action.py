"""What is restored is led to its stage once, and not again below the student's own routes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.action import student_archive
from ansible_collections.istio_games.workshop.plugins.action.student_archive import ActionModule
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import archive, keeping

ANNA = places.changed(places.of_student("anna", "/state"), state="ready")


@pytest.mark.parametrize(("stands", "led"), [(False, ["anna"]), (True, [])])
def test_a_stage_is_taken_unless_it_stands(monkeypatch: pytest.MonkeyPatch, stands: bool, led: list[str]) -> None:
    done: list[str] = []

    def lead(_: Any, place: places.Place, work: archive.Work) -> dict[str, Any]:
        done.append(place.name)
        return {}

    monkeypatch.setattr(archive, "read", lambda path, tags: archive.Work("anna", "blue", "today"))
    monkeypatch.setattr(keeping, "refuse_used", lambda *_: stands)
    monkeypatch.setattr(keeping, "restore_devices", lambda *_: 0)
    monkeypatch.setattr(keeping, "restore_own", lambda *_: (["VirtualService mine"], []))
    monkeypatch.setattr(Api, "connect", lambda *_: None)
    monkeypatch.setattr(student_archive, "show", lambda _: None)
    monkeypatch.setattr(ActionModule, "_lead", lead)
    action = ActionModule.__new__(ActionModule)
    monkeypatch.setattr(ActionModule, "check_mode", False)
    given: dict[str, Any] = {"services": [], "deployments": [], "student": None}
    action.__dict__.update(api=None, _given=given)
    assert action._restore(Path("file"), [ANNA]) == {"changed": True}
    assert done == led
