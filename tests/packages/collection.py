"""The collection as a user has it: built, installed in a directory of its own, and used from an empty one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Installed:
    """An installed collection.

    Attributes:
        root: where it is.
        empty: the directory that commands are typed in.
        home: the home directory; a user's own unless a test wants one without rooms.
    """

    def __init__(self, directory: Path, home: Path | None = None) -> None:
        self.collections = directory / "collections"
        self.root = self.collections / "ansible_collections/istio_games/workshop"
        self.empty = directory / "empty"
        self.home = home or directory / "home"
        for path in (self.collections, self.empty, self.home):
            path.mkdir(exist_ok=True)
        galaxy = ("ansible-galaxy", "collection")
        self._must(*galaxy, "build", "--output-path", str(directory), str(ROOT))
        (tarball,) = directory.glob("*.tar.gz")
        # By force: .venv has this version already, as a link to the checkout.
        flags = ("--force", "--no-deps", "--offline")
        self._must(*galaxy, "install", str(tarball), "-p", str(self.collections), *flags)

    def _must(self, *command: str) -> None:
        done = self.run(*command)
        assert done.returncode == 0, done.stdout + done.stderr

    def run(
        self, *command: str, timeout: float = 300, directory: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Type a command, in the empty directory unless another one is named."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE", "XDG"))}
        environment |= {"HOME": str(self.home), "ANSIBLE_COLLECTIONS_PATH": str(self.collections), "NO_COLOR": "1"}
        return subprocess.run(
            command,
            cwd=directory or self.empty,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    def play(self, playbook: str, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Play a playbook by its full name."""
        return self.run("ansible-playbook", f"istio_games.workshop.{playbook}", *arguments, timeout=timeout)


# An inventory of one's own: `vars` in it win over the defaults.
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
  vars: {workshop_name: packed, workshop_front_node_port: {port}}
"""
