"""A room as its instructor has it, for the measurements of a class."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LOG = ROOT / ".cache" / "bench-class.log"
LOAD = ("exec", "deployment/load", "--container=load", "--", "python", "-m", "load")


@dataclass(frozen=True)
class Room:
    """A room that is up.

    Attributes:
        settings: what every playbook is given besides, as on the command line.
    """

    name: str
    settings: Sequence[str] = ()

    @property
    def state(self) -> Path:
        """Its directory."""
        base = os.environ.get("XDG_STATE_HOME") or f"{os.environ['HOME']}/.local/state"
        return Path(base) / "istio-workshop" / self.name

    def command(self, playbook: str, *arguments: str) -> list[str]:
        """Give the command of a playbook."""
        named = ["-e", f"workshop_name={self.name}", *self.settings]
        return ["ansible-playbook", f"playbooks/{playbook}.yml", *named, *arguments]

    def play(self, playbook: str, *arguments: str) -> tuple[int, float]:
        """Play a playbook; give its exit code and seconds."""
        begun = time.monotonic()
        with LOG.open("a") as log:
            command = self.command(playbook, *arguments)
            done = subprocess.run(command, cwd=ROOT, stdout=log, stderr=log, check=False)
        return done.returncode, time.monotonic() - begun

    def kill(self, playbook: str, seconds: float, *arguments: str) -> bool:
        """Play a playbook and kill it with SIGKILL; tell whether it was still at work."""
        with LOG.open("a") as log:
            command = self.command(playbook, *arguments)
            running = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
            try:
                running.wait(seconds)
            except subprocess.TimeoutExpired:
                os.killpg(running.pid, signal.SIGKILL)
                running.wait()
                return True
        return False

    def read(self, file: str) -> Any:
        """Read what the playbooks have written; None if there is no such file."""
        path = self.state / file
        return json.loads(path.read_text()) if path.is_file() else None

    @property
    def students(self) -> list[dict[str, str]]:
        """The class."""
        found: list[dict[str, str]] = (self.read("class.json") or {"students": []})["students"]
        return found

    @property
    def ready(self) -> int:
        """How many places are handed out."""
        return sum(student["state"] == "ready" for student in self.students)

    def kubectl(self, *arguments: str, kubeconfig: str = "") -> str:
        """Ask the cluster, as whoever has a kubeconfig."""
        command = [str(self.state / "bin/kubectl"), f"--kubeconfig={kubeconfig or self.state / 'kubeconfig'}"]
        return subprocess.run([*command, *arguments], check=True, capture_output=True, text=True).stdout

    def pods(self) -> dict[str, str]:
        """The UID of every pod of a namespace of its own, by its name: checks have theirs in `default`."""
        items = json.loads(self.kubectl("get", "pods", "--all-namespaces", "--output=json"))["items"]
        return {
            f"{item['metadata']['namespace']}/{item['metadata']['name']}": item["metadata"]["uid"]
            for item in items
            # A Job of the room's own comes and goes.
            if item["metadata"]["namespace"] != "default" and item["spec"].get("restartPolicy") == "Always"
        }

    def lost(self, namespaces: Sequence[str], since: float) -> dict[str, int]:
        """The requests that were sent in places, and those of them that failed, since a time (seconds since 1970)."""
        sums = {"sent": 0, "failed": 0}
        for namespace in namespaces:
            told = json.loads(self.kubectl(f"--namespace={namespace}", *LOAD, "report", f"--since={since:.0f}"))
            for target in told["targets"].values():
                sums = {name: number + target[name] for name, number in sums.items()}
        return sums


def available() -> int:
    """Megabytes that the machine could still give."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    raise RuntimeError("/proc/meminfo has no MemAvailable")


def busy(seconds: float) -> float:
    """Processors that are at work, over some seconds."""

    def ticks() -> tuple[int, int]:
        numbers = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
        return sum(numbers), numbers[3] + numbers[4]

    total, idle = ticks()
    time.sleep(seconds)
    now, now_idle = ticks()
    return round((1 - (now_idle - idle) / (now - total)) * (os.cpu_count() or 1), 2)
