"""A workshop room as its user has it: playbooks, kubectl, HTTP."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.acceptance.play import Played, Running

ROOT = Path(__file__).parents[2]
# What Python needs to run under faketime (tests/acceptance/sleep says why): deadlines are not faked.
UNDER_FAKETIME = {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "PYTHONPATH": str(ROOT / "tests/acceptance/sleep")}


@dataclasses.dataclass(frozen=True)
class Room:
    """A room of its own name and ports."""

    name: str
    api_port: int
    registry_port: int
    front_port: int
    workers: int = 0
    # Those of container nodes on this machine, unless a test has others.
    inventory: Path | None = None
    address: str = "127.0.0.1"
    # Another NodePort of its own; 0 is front's + 500.
    webui_port: int = 0

    @property
    def settings(self) -> list[str]:
        """What makes ansible-playbook work on this room."""
        values = {
            "workshop_name": self.name,
            "workshop_api_port": self.api_port,
            "workshop_registry_node_port": self.registry_port,
            "workshop_front_node_port": self.front_port,
            "workshop_webui_node_port": self.webui_port or self.front_port + 500,
            "workshop_door_node_port": self.front_port + 1000,
        }
        return [word for key, value in values.items() for word in ("-e", f"{key}={value}")]

    def command(self, playbook: str, *arguments: str) -> list[str]:
        """The command line that plays `playbook` in this room."""
        inventory = self.inventory or (ROOT / "molecule/inventory/hosts.yml" if self.workers else None)
        return [
            *("ansible-playbook", *(["-i", str(inventory)] if inventory else [])),
            *(playbook, *self.settings, *arguments),
        ]

    def start(
        self, playbook: str, *arguments: str, environment: Mapping[str, str] | None = None, prefix: Sequence[str] = ()
    ) -> Running:
        """Begin to play it, behind the words of `prefix` and with `environment` besides this process's own."""
        return Running([*prefix, *self.command(playbook, *arguments)], ROOT, environment or {})

    def play(self, playbook: str, *arguments: str, timeout: float = 3000) -> Played:
        """Play it and return how it went; it may fail."""
        return self.start(playbook, *arguments).wait(timeout)

    def must(self, playbook: str, *arguments: str) -> Played:
        """Play it; it must succeed."""
        played = self.play(playbook, *arguments)
        assert played.code == 0, played.output[-6000:]
        return played

    def kill_when(self, playbook: str, line: str, delay: float, *arguments: str) -> None:
        """Start a play and kill it, with everything that it started, `delay` seconds after it printed `line`."""
        # A task's name is printed when the task begins; else only with its result, in case that is "skipped".
        running = self.start(playbook, *arguments, environment={"ANSIBLE_DISPLAY_SKIPPED_HOSTS": "true"})
        running.when(lambda: line in running.output, 3000)
        time.sleep(delay)
        running.kill()

    @property
    def state(self) -> Path:
        """The room's state directory."""
        base = os.environ.get("XDG_STATE_HOME") or f"{os.environ['HOME']}/.local/state"
        return Path(base) / "istio-workshop" / self.name

    def kubectl(self, *arguments: str, check: bool = True, given: str | None = None, timeout: float = 300) -> str:
        """The output of kubectl in this room; `given` is its standard input."""
        done = subprocess.run(
            [self.state / "bin/kubectl", "--kubeconfig", self.state / "kubeconfig", *arguments],
            input=given,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout

    def create(self, item: Mapping[str, Any]) -> None:
        """Make an object with kubectl, as somebody with a file of theirs does."""
        self.kubectl("create", "--filename=-", given=json.dumps(item))

    def node(self, name: str) -> str:
        """The container that is one of its nodes."""
        return f"{self.name}-{name}"

    def objects(self) -> dict[str, str]:
        """resourceVersion of every object that a play may change."""
        kinds = "namespaces,deployments,services,configmaps,persistentvolumeclaims,networkpolicies,jobs"
        listed = json.loads(self.kubectl("get", kinds, "--all-namespaces", "--output=json"))["items"]
        return {
            "/".join((item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"])): item["metadata"][
                "resourceVersion"
            ]
            for item in listed
            # istiod's own: who leads, renewed every few seconds.
            if "control-plane.alpha.kubernetes.io/leader" not in (item["metadata"].get("annotations") or {})
        }

    def generations(self) -> dict[str, int]:
        """The generation of every Deployment: it grows when a play changes one."""
        listed = json.loads(self.kubectl("get", "deployments", "--all-namespaces", "--output=json"))["items"]
        return {
            f"{item['metadata']['namespace']}/{item['metadata']['name']}": item["metadata"]["generation"]
            for item in listed
        }

    def front(self, path: str) -> Any:
        """JSON that front answers at its NodePort."""
        return get_json(f"http://{self.address}:{self.front_port}{path}")

    def catalog(self) -> list[str]:
        """The registry's repositories."""
        listed: list[str] = get_json(f"http://{self.address}:{self.registry_port}/v2/_catalog")["repositories"]
        return listed

    @contextlib.contextmanager
    def forward(self, target: str) -> Iterator[str]:
        """Base URL of a Service or pod of the application for as long as the context lasts."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        kubectl = [str(self.state / "bin/kubectl"), f"--kubeconfig={self.state}/kubeconfig", "--namespace=staging"]
        with subprocess.Popen([*kubectl, "port-forward", target, f"{port}:80"], stdout=subprocess.DEVNULL) as process:
            try:
                wait_for(lambda: listens(port), 30)
                yield f"http://127.0.0.1:{port}"
            finally:
                process.terminate()


def listens(port: int, address: str = "127.0.0.1") -> bool:
    """True if something listens on this port of an address, else an OSError."""
    with socket.create_connection((address, port), 1):
        return True


def get_json(url: str, timeout: float = 15, headers: dict[str, str] | None = None) -> Any:
    """GET and decode."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=timeout) as answer:
        return json.load(answer)


def request(method: str, url: str, body: object = None) -> tuple[int, Any]:
    """Status and decoded body of one request with a JSON body."""
    data = json.dumps(body).encode() if body is not None else None
    made = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(made, timeout=15) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def wait_for(condition: Any, seconds: float) -> float:
    """Wait until `condition()` is true (an error counts as false). Returns how long it took, in seconds."""
    started = time.monotonic()
    while True:
        with contextlib.suppress(OSError, ValueError, AssertionError):
            if condition():
                return time.monotonic() - started
        assert time.monotonic() - started < seconds, f"still not so after {seconds} s"
        time.sleep(0.2)
