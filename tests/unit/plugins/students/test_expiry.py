"""The room's own Job puts to sleep whose time is over, as suspend.yml does, and nobody else."""

from __future__ import annotations

import ast
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import ROOM, owner_labels
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import changing, register

ROOT = Path(__file__).resolve().parents[4]
ROLE = ROOT / "roles" / "student"
NOW = "2026-11-26T20:00:00Z"
BEFORE, AFTER = "2026-11-26T19:59:59Z", "2026-11-26T20:00:01Z"


@pytest.fixture(scope="module")
def expiry() -> Any:
    """The Job's program."""
    spec = importlib.util.spec_from_file_location("expiry", ROLE / "files" / "expiry.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def put(api: Any, name: str, state: str = "ready", expires: str = BEFORE, room: str = "blue") -> None:
    api.put(f"/api/v1/namespaces/{name}", metadata={"labels": {**owner_labels(room), register.STUDENT: name}})
    place = places.changed(places.of_student(name, "/state"), state=state, expires=expires, made="2026-11-25T20:00:00Z")
    register.note(api, place)
    for service, replicas in (("front", 1), ("aleph", 3), ("beth", 0)):
        api.put(f"/apis/apps/v1/namespaces/{name}/deployments/{service}", spec={"replicas": replicas})


@pytest.mark.parametrize(
    ("place", "found"),
    [
        pytest.param({}, {"anna": "anna"}, id="over"),
        pytest.param({"state": "failed"}, {"anna": "anna"}, id="over, of one that failed"),
        pytest.param({"expires": NOW}, {"anna": "anna"}, id="this very second"),
        pytest.param({"expires": AFTER}, {}, id="not yet"),
        pytest.param({"expires": ""}, {}, id="it never had a kubeconfig"),
        pytest.param({"state": "suspended"}, {}, id="it sleeps"),
        pytest.param({"state": "making"}, {}, id="somebody is at work on it"),
        pytest.param({"room": "green"}, {}, id="another room's"),
    ],
)
def test_whose_time_is_over(expiry: Any, api: Any, place: dict[str, str], found: dict[str, str]) -> None:
    put(api, "anna", **place)
    # The stand-in's API looks at names of labels, and these.
    items = api.items

    def of_room(path: str, **query: str) -> Any:
        return [each for each in items(path) if f"{ROOM}=blue" in query["labelSelector"] and is_blue(each)]

    def is_blue(item: Any) -> bool:
        return bool(item["metadata"]["labels"][ROOM] == "blue")

    api.items = of_room
    assert expiry.expired(api, "blue", NOW) == found


def test_what_somebody_wrote_in_its_place_is_no_time(expiry: Any, api: Any) -> None:
    put(api, "anna")
    api.objects["/api/v1/namespaces/anna"]["metadata"]["annotations"]["workshop.istio-games/place"] = "[3"
    assert expiry.expired(api, "blue", NOW) == {}


def test_it_is_as_suspend_leaves_it(expiry: Any, api: Any) -> None:
    put(api, "anna")
    put(api, "ben")
    assert expiry.suspend(api, "anna", "anna", "blue")
    changing.suspend(api, places.changed(places.of_student("ben", "/state"), expires=BEFORE), "blue", lambda _: None)

    def of(name: str) -> Any:
        return {
            path.replace(name, "X"): json.loads(json.dumps(item).replace(name, "X"))
            for path, item in api.objects.items()
            if f"/{name}/" in path
        }

    assert of("anna") == of("ben")
    read = register.place_of(api.objects["/api/v1/namespaces/anna"], "/state")
    assert (read.state, read.expires, read.made) == ("suspended", BEFORE, "2026-11-25T20:00:00Z")


def test_it_is_written_down_when_its_pods_have_ended(expiry: Any, api: Any) -> None:
    put(api, "anna")
    api.put("/api/v1/namespaces/anna/pods/aleph")
    waited: list[float] = []
    assert not expiry.suspend(api, "anna", "anna", "blue", waited.append)
    assert len(waited) == expiry.ENDED_SECONDS
    assert register.place_of(api.objects["/api/v1/namespaces/anna"], "/state").state == "ready"
    del api.objects["/api/v1/namespaces/anna/pods/aleph"]
    assert expiry.main(api, "blue", NOW) == 0
    assert register.place_of(api.objects["/api/v1/namespaces/anna"], "/state").state == "suspended"
    replicas = "workshop.istio-games/replicas"
    annotations = api.objects["/apis/apps/v1/namespaces/anna/deployments/aleph"]["metadata"]["annotations"]
    assert annotations[replicas] == "3", "what ran is not forgotten the second time"


def test_one_that_fails_hinders_no_other(
    expiry: Any, api: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put(api, "anna")
    put(api, "ben")
    apply = api.apply

    def refused(path: str, body: Any) -> Any:
        if "/anna/" in path:
            raise KeyError("no")
        return apply(path, body)

    monkeypatch.setattr(api, "apply", refused)
    assert expiry.main(api, "blue", NOW) == 1
    told = capsys.readouterr().out
    assert "anna: its time is over, but it does not sleep" in told
    assert "ben: its time is over, it sleeps" in told


def test_it_is_given_all_that_it_imports() -> None:
    given = set(yaml.safe_load((ROLE / "vars" / "main.yml").read_text())["__student_expiry_needs"])
    wings = ROOT / "plugins" / "plugin_utils"
    own = "ansible_collections.istio_games.workshop.plugins.plugin_utils."
    for file in (ROLE / "files" / "expiry.py", *(wings / path for path in given)):
        for node in ast.walk(ast.parse(file.read_text())):
            for module in _imported(node):
                if module.startswith(own):
                    assert module.removeprefix(own).replace(".", "/") + ".py" in given, f"{file.name} imports {module}"
                else:
                    assert module.partition(".")[0] in sys.stdlib_module_names, f"{file.name} imports {module}"


def _imported(node: ast.AST) -> list[str]:
    """Name the modules that a statement imports."""
    if isinstance(node, ast.Import):
        return [each.name for each in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        wing = (ROOT / "plugins" / "plugin_utils" / node.module.rpartition("plugin_utils.")[2]).is_dir()
        return [
            f"{node.module}.{each.name}" if wing and "plugin_utils" in node.module else node.module
            for each in node.names
        ]
    return []
