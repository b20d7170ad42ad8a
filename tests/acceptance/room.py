"""A workshop room as its user has it: playbooks, kubectl, HTTP."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.host_check import (
    Needs,
    container_limits,
    runtime,
)
from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.host_reader import read_host

ROOT = Path(__file__).parents[2]
RECAP = re.compile(r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Played:
    """What a playbook did."""

    code: int
    output: str
    seconds: float

    @property
    def changed(self) -> int:
        """Changed tasks, over all hosts."""
        return sum(int(found[2]) for found in RECAP.findall(self.output))


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

    @property
    def webui_port(self) -> int:
        """Another NodePort of its own."""
        return self.front_port + 500

    @property
    def settings(self) -> list[str]:
        """What makes ansible-playbook work on this room."""
        values = {
            "workshop_name": self.name,
            "workshop_api_port": self.api_port,
            "workshop_registry_node_port": self.registry_port,
            "workshop_front_node_port": self.front_port,
            "workshop_webui_node_port": self.webui_port,
        }
        return [word for key, value in values.items() for word in ("-e", f"{key}={value}")]

    def command(self, playbook: str, *arguments: str) -> list[str]:
        """The command line that plays `playbook` in this room."""
        inventory = self.inventory or (ROOT / "molecule/inventory/hosts.yml" if self.workers else None)
        return [
            *("ansible-playbook", *(["-i", str(inventory)] if inventory else [])),
            *(playbook, *self.settings, *arguments),
        ]

    def play(self, playbook: str, *arguments: str, timeout: float = 3000) -> Played:
        """Play it and return how it went; it may fail."""
        started = time.monotonic()
        done = subprocess.run(
            self.command(playbook, *arguments),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Played(done.returncode, done.stdout, time.monotonic() - started)

    def must(self, playbook: str, *arguments: str) -> Played:
        """Play it; it must succeed."""
        played = self.play(playbook, *arguments)
        assert played.code == 0, played.output[-6000:]
        return played

    @property
    def state(self) -> Path:
        """The room's state directory."""
        base = os.environ.get("XDG_STATE_HOME") or f"{os.environ['HOME']}/.local/state"
        return Path(base) / "istio-workshop" / self.name

    def kubectl(self, *arguments: str, check: bool = True) -> str:
        """The output of kubectl in this room."""
        done = subprocess.run(
            [self.state / "bin/kubectl", "--kubeconfig", self.state / "kubeconfig", *arguments],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout

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


def container_abilities() -> tuple[str, dict[str, str]]:
    """The OCI runtime that containers of this machine need (empty: Podman's own), and their limits by name."""
    host = read_host(Needs("", (), "127.0.0.1", (), {}, 0, {}), {})
    return runtime(host), container_limits(host)


def kill_when(room: Room, playbook: str, line: str, delay: float, *arguments: str) -> None:
    """Start a play and kill it, with everything that it started, `delay` seconds after it printed `line`."""
    with subprocess.Popen(
        room.command(playbook, *arguments),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        printed = []
        for output in process.stdout:
            printed.append(output)
            if line in output:
                time.sleep(delay)
                # Each of Ansible's workers leads a group of its own, with what it runs.
                workers = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False)
                for leader in (process.pid, *map(int, workers.stdout.split())):
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(leader, signal.SIGKILL)
                return
    raise AssertionError(f"{playbook} never printed {line!r}:\n{''.join(printed)[-4000:]}")


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


class Visitor:
    """Asks front's /backends at `url` again and again, one request at a time, until the context ends.

    `failures` are the requests that failed, and those in whose answer a backend has an error.
    """

    def __init__(self, url: str) -> None:
        self.url, self.asked, self.failures = url, 0, list[str]()

    def __enter__(self) -> Visitor:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._stop.is_set():
            self.asked += 1
            try:
                errors = [shown["error"] for shown in get_json(self.url)["backends"] if shown["error"]]
            except OSError as error:
                errors = [str(error)]
            self.failures += [f"request {self.asked}: {error}" for error in errors]
            time.sleep(0.05)


@dataclasses.dataclass(frozen=True)
class Host:
    """What a room could leave behind on this machine."""

    rules: list[str]
    mounts: list[str]
    processes: list[str]
    links: list[str]
    containers: list[str]
    sysctls: dict[str, str]

    @classmethod
    def look(cls) -> Host:
        """Read it now."""

        def lines(*command: str) -> list[str]:
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

        def rules(line: str) -> str:
            return re.sub(r"\[\d+:\d+\]", "", line)

        mounts = sorted(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
        programs = r"conmon|runc|crun|netavark|aardvark|containerd|kube|etcd|runsv|svlogd|pasta|slirp"
        processes = sorted(line for line in lines("ps", "-eo", "comm=") if re.match(programs, line))
        return cls(
            rules=[rules(line) for line in lines("iptables-save") if not line.startswith("#")],
            mounts=mounts,
            processes=processes,
            links=sorted(line.split(":")[1] for line in lines("ip", "-o", "link")),
            containers=[
                *lines("podman", "ps", "--all", "--format={{.Names}}"),
                *lines("podman", "volume", "ls", "--format={{.Name}}"),
                *lines("podman", "network", "ls", "--format={{.Name}}"),
            ],
            sysctls={
                name: Path("/proc/sys", name).read_text()
                for name in ("fs/inotify/max_user_instances", "fs/inotify/max_user_watches", "net/ipv4/ip_forward")
            },
        )
