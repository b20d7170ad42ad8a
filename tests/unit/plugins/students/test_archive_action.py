"""What is restored is led to its stage once, and not again below the student's own routes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.action import student_archive
from ansible_collections.istio_games.workshop.plugins.action.student_archive import ActionModule
from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import archive, credentials, keeping

ANNA = places.changed(places.of_student("anna", "/state"), state="ready")


@pytest.mark.parametrize(("stands", "led"), [(False, ["anna"]), (True, [])])
def test_a_stage_is_taken_unless_it_stands(monkeypatch: pytest.MonkeyPatch, stands: bool, led: list[str]) -> None:
    done: list[str] = []

    def lead(_: Any, place: places.Place, work: archive.Work) -> dict[str, Any]:
        done.append(place.name)
        return {}

    own: list[dict[str, Any]] = [{"kind": "VirtualService", "metadata": {"name": "mine"}, "spec": {}}]
    monkeypatch.setattr(archive, "read", lambda path, tags: archive.Work("anna", "blue", "today", own=own))
    monkeypatch.setattr(credentials, "lasts", lambda *_: True)
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


@pytest.mark.parametrize(("own", "refused"), [([{}], True), ([], False)])
def test_own_objects_need_a_kubeconfig_before_anything_is_restored(
    monkeypatch: pytest.MonkeyPatch, own: list[dict[str, Any]], refused: bool
) -> None:
    """Devices and stage were there then, and each object was refused with 401 Unauthorized."""
    monkeypatch.setattr(archive, "read", lambda path, tags: archive.Work("anna", "blue", "today", own=own))
    monkeypatch.setattr(credentials, "lasts", lambda *_: False)
    begun: list[str] = []

    def refuse_used(_: Any, place: places.Place, *__: Any) -> bool:
        begun.append(place.name)
        raise WorkshopError("It is used.")

    monkeypatch.setattr(keeping, "refuse_used", refuse_used)
    action = ActionModule.__new__(ActionModule)
    action.__dict__.update(api=None, _given={"services": [], "deployments": [], "student": None})
    with pytest.raises(WorkshopError, match=r"class.yml -e student=anna" if refused else "It is used"):
        action._restore(Path("file"), [ANNA])
    assert begun == ([] if refused else ["anna"])
