"""What a room writes on this machine goes with it, or is said to stay."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import certificates, places, rooms

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.compile(r"_state_dir(?: \}\}/| ~ '/)([\w./-]+)")
TASKS = yaml.safe_load((ROOT / "roles/teardown/tasks/state.yml").read_text())
REMOVED = set(TASKS[0]["loop"])
SAID = {each["name"] for each in TASKS[-1]["loop"]}


def written() -> set[str]:
    """Every path below a room's directory that a role names, and those that plugins name."""
    roles = [path for path in ROOT.glob("roles/*/*/**/*.y*ml") if "teardown" not in path.parts and path.is_file()]
    named = {found for path in roles for found in NAMED.findall(path.read_text())}
    door = {f"door/{name}" for name in re.findall(r'"(\w+\.(?:crt|key))"', Path(certificates.__file__).read_text())}
    return named | door | {places.CLASS_FILE, places.STUDENTS, rooms.LOG}


def goes(path: str) -> bool:
    """Whether teardown removes a file, or all that is in a directory."""
    return any(name == path or name.startswith(f"{path}/") or path.startswith(f"{name}/") for name in REMOVED)


def test_a_room_leaves_nothing_but_what_it_says() -> None:
    assert len(written()) > 10
    assert sorted(path for path in written() if not goes(path) and path.split("/")[0] not in SAID) == []


def test_what_stays_is_not_removed() -> None:
    assert not [path for path in REMOVED if path.split("/")[0] in SAID]
