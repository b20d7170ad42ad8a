"""The collection works as a collection: built, installed elsewhere, and used from an empty directory."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))
# What a user brings: `vars` in it win over the defaults.
HOSTS = """\
all:
  children:
    controller:
      hosts: {localhost: {ansible_connection: local, ansible_python_interpreter: "{{ ansible_playbook_python }}"}}
    nodes:
      children:
        control_plane: {hosts: {control-plane: }}
        workers: {hosts: {}}
      vars:
        ansible_connection: containers.podman.podman
        ansible_host: "{{ workshop_name }}-{{ inventory_hostname }}"
  vars: {workshop_name: packed, workshop_front_node_port: FRONT_PORT}
"""


class Installed:
    """An installed collection, an empty directory, and a home directory without rooms."""

    def __init__(self, directory: Path) -> None:
        self.collections = directory / "collections"
        self.empty = directory / "empty"
        self.home = directory / "home"
        for path in (self.collections, self.empty, self.home):
            path.mkdir()

    @property
    def root(self) -> Path:
        return self.collections / "ansible_collections/istio_games/workshop"

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE", "XDG"))}
        environment |= {"HOME": str(self.home), "ANSIBLE_COLLECTIONS_PATH": str(self.collections), "NO_COLOR": "1"}
        return subprocess.run(
            command, cwd=self.empty, env=environment, capture_output=True, text=True, check=False, timeout=300
        )

    def play(self, playbook: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("ansible-playbook", f"istio_games.workshop.{playbook}", *arguments)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    directory = tmp_path_factory.mktemp("tarball")
    made = Installed(directory)
    galaxy = ["ansible-galaxy", "collection"]
    built = subprocess.run(
        [*galaxy, "build", "--output-path", directory, ROOT], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (tarball,) = directory.glob("*.tar.gz")
    # By force: .venv has this version already, as a link to the checkout.
    flags = ("--force", "--no-deps", "--offline")
    done = made.run(*galaxy, "install", str(tarball), "-p", str(made.collections), *flags)
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def hosts(installed: Installed, port: int = 30120) -> str:
    path = installed.home / "hosts.yml"
    path.write_text(HOSTS.replace("FRONT_PORT", str(port)))
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


def test_without_an_inventory_it_says_which_one_to_name(installed: Installed) -> None:
    done = installed.play("site")
    assert done.returncode != 0
    assert f"-i {installed.root}/inventory/room.yml" in " ".join(done.stdout.split())
    named = installed.play("host_check", "-i", f"{installed.root}/inventory/room.yml", "--list-hosts")
    assert "control-plane" in named.stdout
