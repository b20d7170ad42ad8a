"""A room from the tarball: from an empty directory, with an inventory of one's own, and then by its name alone."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.room import Room
from tests.packages.collection import HOSTS, Installed

PACKED = Room("packed", api_port=26511, registry_port=32381, front_port=30381)
ALONE = ("-e", f"workshop_name={PACKED.name}")


class User:
    """Types playbooks' full names."""

    def __init__(self, installed: Installed) -> None:
        self.installed = installed
        self.inventory = installed.empty.parent / "hosts.yml"
        self.inventory.write_text(HOSTS.replace("{port}", str(PACKED.front_port)))

    def play(self, playbook: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.installed.play(playbook, *arguments, timeout=3000)

    def must(self, playbook: str, *arguments: str) -> str:
        done = self.play(playbook, *arguments)
        assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
        return done.stdout

    def by_name(self, playbook: str, *arguments: str) -> str:
        """The inventory is the collection's own: the room knows which nodes it has."""
        return self.must(playbook, "-i", f"{self.installed.root}/inventory/room.yml", *ALONE, *arguments)


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    user = User(Installed(tmp_path_factory.mktemp("tarball"), home=Path(os.environ["HOME"])))
    ports = {
        "workshop_api_port": PACKED.api_port,
        "workshop_registry_node_port": PACKED.registry_port,
        "workshop_webui_node_port": PACKED.front_port + 1,
        "workshop_door_node_port": PACKED.front_port + 2,
    }
    try:
        user.must("site", "-i", str(user.inventory), "-e", json.dumps(ports))
        yield user
    finally:
        user.by_name("teardown")
        assert not PACKED.state.exists()


def load_rate() -> str:
    path = "{.spec.template.spec.containers[0].env[?(@.name=='LOAD_RATE')].value}"
    return PACKED.kubectl("--namespace=staging", "get", "deployment", "load", f"--output=jsonpath={path}")


def test_the_room_answers(user: User) -> None:
    assert [shown["error"] for shown in PACKED.front("/backends")["backends"]] == [None, None]
    assert "busybox" in PACKED.catalog()


def test_every_command_needs_the_rooms_name_alone(user: User) -> None:
    user.by_name("verify")
    shown = user.by_name("rollout", "-e", "weight=50", "-e", "service=aleph")
    assert "50 %" in shown
    assert "changed=0 " in user.by_name("rollout", "-e", "weight=50", "-e", "service=aleph")
    user.by_name("rollback", "-e", "service=aleph")


def test_what_deploy_was_given_stays(user: User) -> None:
    assert "workshop_load_rate 5 -> 8" in user.by_name("deploy", "-e", "workshop_load_rate=8")
    assert load_rate() == "8"
    user.by_name("dark_launch", "-e", "service=aleph")
    user.by_name("deploy")
    assert load_rate() == "8"
    user.by_name("deploy", "-e", "workshop_load_rate=5")
    assert load_rate() == "5"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-e", "workshop_name=bleu"], "There is no room 'bleu', but"),
        ([*ALONE, "-e", "sevice=aleph"], "sevice is not a setting of this playbook: did you mean service?"),
        ([*ALONE, "-e", "workshop_api_port=1"], "workshop_api_port is 1, but the room packed has 26511: leave it out"),
        ([*ALONE, "-e", "workshop_pod_subnet=10.1.0.0/16"], "keeps it for as long as it is up"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_changes_nothing(user: User, arguments: list[str], said: str) -> None:
    before = PACKED.objects()
    done = user.play("rollback", "-i", f"{user.installed.root}/inventory/room.yml", *arguments)
    assert done.returncode != 0
    assert said in " ".join(done.stdout.split())
    assert PACKED.objects() == before


def test_nobody_else_reads_what_the_room_remembers(user: User) -> None:
    record = PACKED.state / "room.yml"
    assert record.stat().st_mode & 0o777 == 0o600
    assert str(user.inventory) in record.read_text()
