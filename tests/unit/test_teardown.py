"""What a room writes on this machine goes with it, or is said to stay."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from tests.unit.task_file import play

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import store
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


def purge(cache: Path) -> str:
    """Play what removes a cache. Returns what Ansible prints."""
    variables = yaml.safe_load((ROOT / "roles/teardown/vars/main.yml").read_text())
    given = {**variables, "teardown_cache_dir": str(cache), "teardown_room": "blue"}
    return play("roles/teardown/tasks/cache.yml", given, cache.parent)[1]


def test_a_purge_leaves_nothing_of_a_cache_and_disturbs_no_run(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with store.locked(cache, print):
        for name in ("bundles/a", "parts/b", "kits/pulled", "building/logs", "go-mod", "go-build", ".kit-abc/bin"):
            (cache / name).mkdir(parents=True)
        told = " ".join(purge(cache).split())
        assert "Another run is making something in" in told
        # Without its name, another room would be taken down.
        assert 'make down ARGS="-e workshop_name=blue -e purge=true" again' in told
        assert len(list(cache.iterdir())) == 9
    assert "failed=0" in purge(cache)
    assert not cache.exists()


@pytest.mark.parametrize("entry", ["main", "guest"])
def test_a_purge_is_done_for_every_room(entry: str) -> None:
    """Also for one in a cluster that is not its own."""
    tasks = yaml.safe_load((ROOT / f"roles/teardown/tasks/{entry}.yml").read_text())
    assert (tasks[-1]["ansible.builtin.include_tasks"], tasks[-1]["when"]) == ("cache.yml", "teardown_purge | bool")
