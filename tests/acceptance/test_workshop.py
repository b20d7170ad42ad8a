"""What a user of a running room sees, does and breaks."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from pathlib import Path

import pytest
from tests.acceptance.own_client import OwnClient
from tests.acceptance.room import ROOT, Room, request, wait_for
from tests.acceptance.test_compose import BUILT

IMAGES = {"busybox", "python", "istio-games-load", "istio-games-front", "istio-games-aleph", "istio-games-beth"}


def is_complete(catalog: list[str]) -> bool:
    """Whether the workshop's images are there, and nothing else but what test_compose pushes into the same room."""
    return IMAGES <= set(catalog) <= IMAGES | set(BUILT)


def nodes(room: Room) -> list[str]:
    return room.kubectl("get", "nodes", "--output=jsonpath={.items[*].metadata.name}").split()


def in_node(room: Room, node: str, *command: str) -> str:
    done = subprocess.run(
        ["podman", "exec", f"{room.name}-{node}", *command], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def test_front_shows_both_backends_and_their_versions(room: Room) -> None:
    shown = room.front("/backends")["backends"]
    assert {(backend["backend"], backend["version"]) for backend in shown} == {("aleph", "0.1"), ("beth", "0.1")}


def test_the_catalog_is_the_same_from_the_machine_and_from_every_node(room: Room) -> None:
    catalog = room.catalog()
    assert is_complete(catalog)
    for node in nodes(room):
        answer = in_node(room, node, "curl", "-s", f"http://127.0.0.1:{room.registry_port}/v2/_catalog")
        assert json.loads(answer)["repositories"] == catalog, node


@pytest.mark.ci
def test_the_daemons_of_a_node_have_cgroups_beside_that_of_its_pods(room: Room) -> None:
    for node in nodes(room):
        for name, cgroup in (("kubelet", "kubelet"), ("containerd", "podruntime"), ("containerd-shim", "podruntime")):
            told = in_node(room, node, "sh", "-c", f"cat /proc/$(pgrep --oldest --exact {name})/cgroup")
            assert any(line.endswith(f":/{cgroup}") for line in told.splitlines()), (node, name, told)


@pytest.mark.ci
def test_the_control_plane_weighs_a_tenth_of_what_kubeadm_gives_it(room: Room) -> None:
    """Beside places' pods, which ask for next to nothing: docs/decisions/throttling.md."""
    pods = json.loads(room.kubectl("--namespace=kube-system", "get", "pods", "--output=json"))["items"]
    asked = {
        container["name"]: container["resources"]["requests"]["cpu"]
        for pod in pods
        for container in pod["spec"]["containers"]
        if container["name"] in ("kube-apiserver", "etcd", "kube-controller-manager", "kube-scheduler", "coredns")
    }
    assert asked == {
        "kube-apiserver": "25m", "etcd": "20m", "kube-controller-manager": "10m", "kube-scheduler": "10m",
        "coredns": "20m",
    }  # fmt: skip


def test_a_second_run_changes_nothing(room: Room) -> None:
    assert room.must("site.yml").changed == 0


def test_check_mode_changes_nothing(room: Room) -> None:
    before = room.objects()
    assert room.must("site.yml", "--check", "--diff").changed == 0
    assert room.objects() == before


def test_a_device_outlives_the_pods_of_database_and_backend(room: Room) -> None:
    device = {"name": "sensor", "uid": 7, "type": "thermometer", "price": 12.5}
    with room.forward("service/aleph") as aleph:
        request("DELETE", f"{aleph}/devices/sensor")
        assert request("POST", f"{aleph}/devices", device)[0] == 201
        status, reason = request("POST", f"{aleph}/devices", device)
        assert (status, bool(reason)) == (409, True)
        status, reason = request("POST", f"{aleph}/devices", {**device, "name": "other", "uid": "seven"})
        assert status == 400
        assert "uid" in str(reason)
    for app in ("mongo", "aleph"):
        room.kubectl("--namespace=staging", "delete", "pod", f"--selector=app={app}", "--wait")
    room.kubectl("--namespace=staging", "wait", "--for=condition=Available", "deployment", "--all", "--timeout=120s")
    with room.forward("service/aleph") as aleph:
        assert wait_for(lambda: request("GET", f"{aleph}/devices/sensor")[1] == device, 60) >= 0


def test_a_node_that_is_stopped_and_started_comes_back(room: Room) -> None:
    containers = [f"{room.name}-{node}" for node in nodes(room)]
    subprocess.run(["podman", "stop", "--time=20", *containers], check=True, capture_output=True)
    subprocess.run(["podman", "start", *containers], check=True, capture_output=True)
    seconds = {
        "API": wait_for(lambda: room.kubectl("get", "--raw=/readyz") == "ok", 180),
        "registry": wait_for(lambda: is_complete(room.catalog()), 180),
        "front": wait_for(lambda: not any(shown["error"] for shown in room.front("/backends")["backends"]), 180),
    }
    print("back after", {what: round(value, 1) for what, value in seconds.items()})
    assert room.must("site.yml").changed == 0


def test_one_changed_line_builds_one_image_and_rolls_one_deployment_without_a_failed_request(room: Room) -> None:
    source = ROOT / "services/alephbeth/aleph/aleph.py"
    original = source.read_text()
    before = room.generations()
    try:
        source.write_text(original + "\n# one more line\n")
        with OwnClient(room.front_port) as own:
            played = room.must("site.yml")
    finally:
        source.write_text(original)
    after = room.generations()
    assert {name for name in after if after[name] != before.get(name)} == {"staging/aleph-v01"}
    assert own.losses() == []
    assert len(own.asked()) > 50
    assert "istio-games-aleph:0.1: built" in played.output
    assert "istio-games-beth:0.1: built" not in played.output
    assert "istio-games-front:0.3: built" not in played.output
    room.must("site.yml")


def test_the_registry_takes_a_configuration_of_ones_own(room: Room, tmp_path: Path) -> None:
    config = tmp_path / "registry.yml"
    config.write_text(
        "version: 0.1\n"
        "storage: {filesystem: {rootdirectory: /var/lib/registry}}\n"
        "http: {addr: ':5000', headers: {X-Configured-By: [somebody]}}\n"
    )
    try:
        room.must("playbooks/registry.yml", "-e", f"registry_config_file={config}")
        with urllib.request.urlopen(f"http://127.0.0.1:{room.registry_port}/v2/_catalog", timeout=15) as answer:
            assert answer.headers["X-Configured-By"] == "somebody"
        assert is_complete(room.catalog())
    finally:
        # Left out, the room would keep what it was given.
        room.must("site.yml", "-e", "registry_config_file=")
