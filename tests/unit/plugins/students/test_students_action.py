"""In check mode nothing is done with places, and with whom it would be is said."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.action import students
from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions import base
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import owner_labels
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import register


@pytest.mark.parametrize(
    ("work", "names", "who"),
    [
        ("suspend", ["anna", "ben"], "ben"),
        ("suspend", ["anna"], ""),
        ("remove", ["anna", "ben"], "anna, ben"),
        ("make", ["carl"], "carl"),
    ],
)
def test_who_would_be_worked_on_is_said(
    api: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: str, names: list[str], who: str
) -> None:
    for name, state in (("anna", "suspended"), ("ben", "ready")):
        api.put(f"/api/v1/namespaces/{name}", metadata={"labels": {**owner_labels("blue"), register.STUDENT: name}})
        register.note(api, places.changed(places.of_student(name, "/s"), state=state))
    before = len(api.requests)
    shown: list[str] = []
    monkeypatch.setattr(base, "end_with_parent", lambda: None)
    monkeypatch.setattr(students, "show", shown.extend)
    monkeypatch.setattr(students.ActionModule, "another_api", lambda _: api)
    (tmp_path / "kubeconfig").write_text("{}")
    args = {
        "kubeconfig": str(tmp_path / "kubeconfig"),
        "namespace": "staging",
        "state_dir": str(tmp_path),
        "work": work,
        "names": names,
        "probe_image": "busybox",
    }
    task: Any = SimpleNamespace(args=args, check_mode=True, async_val=0, action="a", diff=False)
    connection: Any = SimpleNamespace(_shell=SimpleNamespace(tmpdir="unused"))
    nothing: Any = SimpleNamespace()
    action = students.ActionModule(task, connection, nothing, None, nothing, None)
    action.__dict__.update(api=api, room="blue")
    assert action.run()["changed"] is bool(who)
    whom = who or "nobody: all are so already"
    assert shown == [f"Nothing is done in check mode; {work} would be for {whom}."]
    assert {verb for verb, _ in api.requests[before:]} <= {"GET"}
