"""services/compose.yaml with Podman Compose and the bundle's images, against the room's registry."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.host import container_abilities
from tests.acceptance.room import ROOT, Room, get_json, wait_for

BUNDLED = {"PYTHON_BASE": "python:3.11-slim", "MONGO_IMAGE": "ferretdb:v1.24.2", "REDIS_IMAGE": "redis:7.0.15"}
PORTS = {"FRONT_PORT": "18080", "WEBUI_PORT": "18081"}
BUILT = (
    *(f"istio-games-{name}" for name in ("front", "aleph", "beth", "load")),
    *(f"dockercoins-{name}" for name in ("rng", "hasher", "worker", "webui")),
)


class Compose:
    """Podman Compose in services/, as somebody who has no network types it."""

    def __init__(self, room: Room, directory: Path) -> None:
        # What this machine's containers can be given, as for container nodes.
        runtime, abilities = container_abilities()
        limits = ", ".join(f'"{name}={value}"' for name, value in abilities.items())
        engine = f'[engine]\nruntime = "{runtime}"\n' if runtime else ""
        conf = directory / "containers.conf"
        conf.write_text(f"{engine}[containers]\ndefault_ulimits = [{limits}]\n")
        self.registry = f"127.0.0.1:{room.registry_port}"
        images = {name: f"localhost/workshop/{image}" for name, image in BUNDLED.items()}
        login = room.state / "registry/config.json"
        settings = {
            "CONTAINERS_CONF": str(conf),
            "REGISTRY": self.registry,
            "TAG": "composed",
            "REGISTRY_AUTH_FILE": str(login),
        }
        self.environ = os.environ | images | PORTS | settings
        for image in BUNDLED.values():
            source = f"oci:{(room.state / 'bundle').resolve()}/images:{image}"
            self.run("skopeo", "copy", "--quiet", source, f"containers-storage:localhost/workshop/{image}")

    def __call__(self, *arguments: str) -> str:
        """Run podman-compose."""
        return self.run("podman-compose", "-f", "compose.yaml", "-f", "compose.bundle.yaml", *arguments)

    def run(self, *command: str) -> str:
        """Run any command with the same environment."""
        done = subprocess.run(
            command, cwd=ROOT / "services", env=self.environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout


@pytest.fixture
def compose(room: Room, tmp_path: Path) -> Iterator[Compose]:
    """Leave nothing behind."""
    made = Compose(room, tmp_path)
    try:
        yield made
    finally:
        made("down", "--volumes")
        images = [f"{made.registry}/{name}:composed" for name in BUILT]
        made.run("podman", "rmi", "--ignore", *images, *(f"localhost/workshop/{image}" for image in BUNDLED.values()))


def test_everything_is_built_run_and_pushed(compose: Compose) -> None:
    compose("build")
    compose("up", "--detach")

    def answered() -> bool:
        shown = get_json(f"http://127.0.0.1:{PORTS['FRONT_PORT']}/backends")["backends"]
        return {(each["backend"], each["version"]) for each in shown} == {("aleph", "composed"), ("beth", "composed")}

    wait_for(answered, 60)
    wait_for(lambda: get_json(f"http://127.0.0.1:{PORTS['WEBUI_PORT']}/json")["hashes"] > 0, 60)
    compose("--podman-push-args=--tls-verify=false", "push")
    for name in BUILT:
        assert "composed" in get_json(f"http://{compose.registry}/v2/{name}/tags/list")["tags"]
