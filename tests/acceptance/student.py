"""A student of a class, as acceptance tests play one."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass

from tests.acceptance.room import Room


@dataclass(frozen=True)
class Student:
    """A student, with nothing but the kubeconfig that was handed out."""

    room: Room
    name: str

    def kubectl(self, *words: str, given: str | None = None) -> tuple[int, str]:
        """Exit code and all that kubectl says."""
        kubeconfig = self.room.state / "students" / self.name / "kubeconfig"
        done = subprocess.run(
            [self.room.state / "bin/kubectl", "--kubeconfig", kubeconfig, *words],
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def pod(self, app: str) -> str:
        """A pod of theirs."""
        code, said = self.kubectl("get", "pods", f"--selector=app={app}", "--output=jsonpath={.items[0].metadata.name}")
        assert code == 0, said
        return said

    def within(self, app: str, *words: str) -> str:
        """What a command in a pod of theirs prints."""
        code, said = self.kubectl("exec", self.pod(app), f"--container={app}", "--", *words)
        assert code == 0, said
        return said.strip()


def class_of_two(room: Room, *names: str) -> None:
    """Make a class of two in which these are, unless they have places that are ready."""
    written = room.state / "class.json"
    there = json.loads(written.read_text())["students"] if written.is_file() else []
    if not {*names} <= {each["name"] for each in there if each["state"] == "ready"}:
        room.must("playbooks/class.yml", "-e", "students=2")
