"""The collection works as a collection: built, installed elsewhere, and used from an empty directory."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest
from tests.packages.collection import HOSTS, ROOT, Installed

from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.rooms import Record, Rooms, state_directory

PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("tarball"))


def hosts(installed: Installed, port: int = 30120) -> str:
    path = installed.home / "hosts.yml"
    path.write_text(HOSTS.replace("{port}", str(port)))
    return str(path)


def test_it_holds_what_a_room_needs_and_nothing_else(installed: Installed) -> None:
    tops = {path.name for path in installed.root.iterdir()}
    assert {"playbooks", "plugins", "roles", "inventory", "supply", "services", "meta"} <= tops
    assert tops & {"tests", "molecule", ".venv", ".git", "bench", "scripts"} == set()
    assert [str(path) for path in installed.root.rglob(".ruff_cache")] == []


def test_every_playbook_is_found_by_its_full_name(installed: Installed) -> None:
    first, *others = PLAYBOOKS
    names = [f"istio_games.workshop.{name}" for name in others]
    done = installed.play(first, *names, "-i", hosts(installed), "--syntax-check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_inventory_of_ones_own_wins_over_the_defaults(installed: Installed) -> None:
    refused = installed.play("host_check", "-i", hosts(installed, port=80))
    assert refused.returncode != 0
    assert "workshop_front_node_port is 80, but must be" in refused.stdout


def test_what_is_given_wins_over_the_inventory_and_the_machine_is_checked(installed: Installed) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        done = installed.play(
            *("host_check", "-i", hosts(installed, port=80), "-e", "workshop_front_node_port=30120"),
            *("-e", f"workshop_api_port={port}"),
        )
    assert done.returncode != 0
    assert "workshop_api_port" in done.stdout
    assert str(port) in done.stdout
    assert "workshop_front_node_port is 80" not in done.stdout


def test_a_room_that_is_not_there_is_one_sentence(installed: Installed) -> None:
    for playbook in ("status", "rollback", "verify", "deploy"):
        done = installed.play(playbook, "-i", hosts(installed))
        assert done.returncode != 0
        assert "There is no room 'packed', and no other" in " ".join(done.stdout.split())


def remember(installed: Installed, name: str, settings: dict[str, object], *inventory: str, **overridden: int) -> None:
    record = Record(settings, inventory, overridden)
    Rooms(state_directory({"HOME": str(installed.home)}), "workshop").write(name, record)


def test_what_a_room_remembers_wins_over_the_defaults_and_the_inventory_over_it(installed: Installed) -> None:
    own = f"{installed.root}/inventory/room.yml"
    remember(installed, "packed", {"workshop_webui_node_port": 81, "workshop_front_node_port": 82})
    try:
        by_name = installed.play("host_check", "-i", own)
        assert "workshop_front_node_port is 82" in by_name.stdout
        assert "The room is packed." in by_name.stdout
        with_inventory = installed.play("host_check", "-i", hosts(installed, port=83))
        assert "workshop_front_node_port is 83" in with_inventory.stdout
        assert "workshop_webui_node_port is 81" in with_inventory.stdout
        refused = installed.play("status", "-i", hosts(installed, port=83))
        assert "workshop_front_node_port is 83, but the room packed has 82" in " ".join(refused.stdout.split())
        remember(installed, "packed", {}, hosts(installed, port=84))
        assert "workshop_front_node_port is 84" in installed.play("host_check", "-i", own).stdout
        # What was given against the inventory counts, also by name alone, until the inventory says something else.
        against: dict[str, object] = {"workshop_front_node_port": 86}
        remember(installed, "packed", against, hosts(installed, port=84), workshop_front_node_port=84)
        assert "workshop_front_node_port is 86" in installed.play("host_check", "-i", own).stdout
        assert "workshop_front_node_port is 87" in installed.play("host_check", "-i", hosts(installed, port=87)).stdout
        remember(installed, "packed", {}, "/there/is/none.yml")
        lost = installed.play("status", "-i", own)
        assert "The room's inventory, /there/is/none.yml, isn't there any more" in " ".join(lost.stdout.split())
    finally:
        shutil.rmtree(installed.home / ".local")


def test_files_beside_an_inventory_are_read(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(HOSTS.replace("workshop_front_node_port: {port}", "colour: red"))
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/all.yml").write_text("workshop_front_node_port: 85\nworkshop_front_nodeport: 3\n")
    done = installed.play("host_check", "-i", str(tmp_path / "hosts.yml"))
    assert "workshop_front_nodeport, which the inventory has for" in " ".join(done.stdout.split())
    (tmp_path / "group_vars/all.yml").write_text("workshop_front_node_port: 85\n")
    done = installed.play("host_check", "-i", str(tmp_path / "hosts.yml"), "-e", "colour=blue")
    assert "workshop_front_node_port is 85" in done.stdout


def test_a_name_that_nothing_reads_is_told(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "given.yml").write_text("wieght: 50\n")
    done = installed.play("rollback", "-i", hosts(installed), "-e", "sevice=aleph", "-e", f"@{tmp_path}/given.yml")
    assert done.returncode != 0
    said = " ".join(done.stdout.split())
    assert "sevice is not a setting of this playbook: did you mean service?" in said
    assert "wieght is not a setting of this playbook: did you mean weight?" in said


def test_without_an_inventory_it_says_which_one_to_name(installed: Installed) -> None:
    done = installed.play("site")
    assert done.returncode != 0
    assert f"-i {installed.root}/inventory/room.yml" in " ".join(done.stdout.split())
    named = installed.play("host_check", "-i", f"{installed.root}/inventory/room.yml", "--list-hosts")
    assert "control-plane" in named.stdout
