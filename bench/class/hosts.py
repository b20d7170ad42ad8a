"""The control path over many rooms, which are one cluster: who is where, the guards, the queue, the report."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from room import LOG, ROOT, Room, available

# What an existing cluster's room must name; nothing is pulled.
IMAGES = ("registry", "kaniko", "ferretdb", "redis", "busybox", "pilot", "proxyv2", "install-cni", "python")
READY = '{"state": "ready", "cause": "", "made": "2026-01-01T00:00:00Z", "expires": "", "node": "", "page": ""}'


def hosts(room: Room, number: int) -> dict[str, Any]:
    """Let `number` rooms, each with a student whose place is an empty namespace, be asked, planned for, and refused."""
    names = [f"host-{each + 1:03d}" for each in range(number)]
    with tempfile.TemporaryDirectory() as directory, _places(room, names):
        base = Path(directory) / "istio-workshop"
        settings = {
            "workshop_kubeconfig": str(room.state / "kubeconfig"),
            "workshop_node_address": "127.0.0.1",
            "workshop_images": {name: f"registry.example/istio/{name}:1" for name in IMAGES},
            "mesh_bin_dir": str(room.state / "bin"),
        }
        for name in names:
            record = {"settings": settings, "inventory": [], "overridden": {}, "for_tests": False}
            (base / name).mkdir(parents=True)
            (base / name / "room.yml").write_text(yaml.safe_dump(record))
        inventory = Path(directory) / "rooms.yml"
        inventory.write_text(yaml.safe_dump({"all": {"children": {"rooms": {"hosts": dict.fromkeys(names)}}}}))
        found = {
            what: _played(Path(directory), inventory, *arguments)
            for what, arguments in (
                ("plan", ("playbook=plan", f"students={2 * number}")),
                ("status", ("playbook=status", "student=all", "measure=false")),
                ("status of one", ("playbook=status", f"student=sim-{names[-1]}", "measure=false")),
                ("who is not there", ("playbook=status", "student=nobody")),
                ("too many", ("playbook=plan", "students=251")),
            )
        }
        statuses = json.loads((base / "statuses.json").read_text()) if (base / "statuses.json").is_file() else {}
        return {"rooms": number, "looked_at": len(statuses.get("places", [])), **found}


@contextmanager
def _places(room: Room, names: list[str]) -> Iterator[None]:
    """Have a namespace for each room that looks like a student's place."""
    items = [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": f"sim-{name}",
                "labels": {
                    "app.kubernetes.io/managed-by": "istio-workshop",
                    "workshop.istio-games/room": name,
                    "workshop.istio-games/student": f"sim-{name}",
                    "simulated": "true",
                },
                "annotations": {"workshop.istio-games/place": READY},
            },
        }
        for name in names
    ]
    try:
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"apiVersion": "v1", "kind": "List", "items": items}, file)
            file.flush()
            room.kubectl("apply", f"--filename={file.name}")
        yield
    finally:
        room.kubectl("delete", "namespaces", "--selector=simulated=true", "--wait=false")


def _played(directory: Path, inventory: Path, *given: str) -> dict[str, Any]:
    """Play rooms.yml; give its seconds, the memory that it took at most, and how it ended."""
    lowest, ended = [available()], threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            lowest.append(available())

    watcher = threading.Thread(target=watch)
    watcher.start()
    begun = time.monotonic()
    command = ["ansible-playbook", f"--inventory={inventory}", "playbooks/rooms.yml"]
    done = subprocess.run(
        [*command, *(word for each in given for word in ("-e", each))],
        cwd=ROOT,
        env={**os.environ, "XDG_STATE_HOME": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - begun
    ended.set()
    watcher.join()
    with LOG.open("a") as log:
        log.write(done.stdout + done.stderr)
    errors = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("[ERROR]")]
    return {
        "code": done.returncode,
        "seconds": round(seconds, 1),
        "mb": lowest[0] - min(lowest),
        **({"said": errors[0][:300]} if errors else {}),
    }
