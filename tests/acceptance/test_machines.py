"""Nodes that are machines, one with systemd and reached as root, one without and through sudo."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.machines import Machine, machines
from tests.acceptance.play import Played
from tests.acceptance.room import ROOT, Room, listens, wait_for

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or f"{os.environ['HOME']}/.cache") / "istio-workshop"


@dataclasses.dataclass(frozen=True)
class Site:
    """Machines, what they were like at first, and the room that is made of them."""

    machines: dict[str, Machine]
    before: dict[str, Any]
    room: Room

    def state(self) -> dict[str, Any]:
        """What the machines are like now."""
        return {name: machine.state() for name, machine in self.machines.items()}

    def differences(self, before: dict[str, Any]) -> dict[str, Any]:
        """What is there now and was not, or the other way round, by machine and kind; a process may have ended."""
        found = {
            name: {
                kind: sorted(set(now[kind]) - set(lines) if kind == "processes" else set(now[kind]) ^ set(lines))
                for kind, lines in before[name].items()
            }
            for name, now in self.state().items()
        }
        return {name: {kind: lines for kind, lines in kinds.items() if lines} for name, kinds in found.items()}

    def answers(self) -> bool:
        """Whether front reaches both backends."""
        return not any(shown["error"] for shown in self.room.front("/backends")["backends"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Machines that are no nodes yet."""
    directory = tmp_path_factory.mktemp("machines")
    with machines(directory, directory, ROOT, CACHE) as (inventory, found):
        address = found["control-plane"].address
        room = Room(
            "machines", api_port=6443, registry_port=32341, front_port=30341, inventory=inventory, address=address
        )
        room.must("playbooks/bundle.yml")
        try:
            yield Site(found, {name: machine.state() for name, machine in found.items()}, room)
        finally:
            room.must("playbooks/teardown.yml")


@pytest.fixture(scope="module")
def nodes(site: Site) -> Site:
    """The same machines with the workshop on them."""
    site.room.must("site.yml")
    return site


def test_check_mode_tells_what_would_be_done_and_does_nothing(site: Site) -> None:
    played = site.room.must("site.yml", "--check")
    assert "control-plane would be made a node" in played.output
    assert "worker-1 would be made a node" in played.output
    assert site.state() == site.before


def test_a_taken_port_is_found_before_anything_is_changed(site: Site) -> None:
    worker = site.machines["worker-1"]
    with subprocess.Popen(["podman", "exec", worker.container, "python3", "-m", "http.server", "10250"]):
        wait_for(lambda: "10250" in worker.run("ss -ltn"), 20)
        played = site.room.play("site.yml")
        worker.run("pkill -f '^python3 -m http.server'")
    assert played.code != 0
    assert "TCP port 10250 of 0.0.0.0 is already taken by python3 (process" in played.output
    assert site.state() == site.before


def test_the_workshop_runs_on_machines(nodes: Site) -> None:
    assert nodes.answers()
    nodes.room.must("playbooks/verify.yml")
    # Unknown and misplaced settings of the units are told here.
    units = "containerd.service kubelet.service istio-workshop-prepare.service"
    judged = f"systemd-analyze --man=no verify {units} 2>&1; systemctl --failed --quiet"
    assert not nodes.machines["control-plane"].run(judged)
    assert nodes.room.must("site.yml").changed == 0
    assert nodes.room.must("site.yml", "--check").changed == 0


def test_a_changed_program_restarts_what_runs_it_and_no_pod(nodes: Site) -> None:
    columns = "--output=custom-columns=:.metadata.name,:.status.containerStatuses[*].restartCount"
    pods = nodes.room.kubectl("get", "pods", "--all-namespaces", columns)
    worker = nodes.machines["worker-1"]
    running = worker.run("pgrep -x kubelet; pgrep -x containerd")
    worker.run("cd /usr/local/bin && cp -p kubernetes other && echo >>other && mv other kubernetes")
    assert nodes.room.must("playbooks/nodes.yml").changed > 0
    assert not set(worker.run("pgrep -x kubelet; pgrep -x containerd").split()) & set(running.split())
    assert nodes.room.must("site.yml").changed == 0
    assert nodes.room.kubectl("get", "pods", "--all-namespaces", columns) == pods


def test_a_restarted_machine_with_systemd_is_a_node_again_by_itself(nodes: Site) -> None:
    subprocess.run(["podman", "restart", "--time=30", nodes.machines["control-plane"].container], check=True)
    assert wait_for(nodes.answers, 240) >= 0
    assert nodes.room.must("site.yml").changed == 0


def test_a_restarted_machine_without_systemd_is_a_node_again_after_the_next_run(nodes: Site) -> None:
    # Nothing starts the node's services with a machine that has no systemd: the next run does.
    worker = nodes.machines["worker-1"]
    subprocess.run(["podman", "restart", "--time=5", worker.container], check=True)
    wait_for(lambda: listens(22, worker.address), 30)
    nodes.room.must("site.yml")
    assert wait_for(nodes.answers, 180) >= 0
    assert nodes.room.must("site.yml").changed == 0


def test_teardown_leaves_the_machines_as_they_were(nodes: Site) -> None:
    nodes.room.must("playbooks/teardown.yml")
    assert nodes.differences(nodes.before) == {"control-plane": {}, "worker-1": {}}
    assert nodes.room.must("playbooks/teardown.yml").changed == 0


def test_a_machine_makes_itself_a_node(site: Site) -> None:
    """With `ansible_connection: local`, and a worker over SSH."""
    machine, room = site.machines["control-plane"], site.room
    assert room.inventory
    wanted = json.loads(room.inventory.read_text())
    groups = wanted["all"]["children"]["nodes"]["children"]
    groups["control_plane"]["hosts"]["control-plane"] = {"ansible_connection": "local"}
    inventory = room.inventory.with_name("local.json")
    inventory.write_text(json.dumps(wanted))

    def play(playbook: str, *arguments: str) -> Played:
        settings = " ".join((*room.settings, "-e", f"workshop_cache_dir={CACHE}", *arguments))
        command = f"cd {ROOT} && .venv/bin/ansible-playbook -i {inventory} {playbook} {settings}"
        return Played(0, machine.run(command), 0)

    machine.run(f"{ROOT}/scripts/install_debian_packages")
    before = site.state()
    try:
        play("site.yml")
        assert site.answers()
        play("playbooks/verify.yml")
        assert play("site.yml").changed == 0
    finally:
        play("playbooks/teardown.yml")
    # Ansible keeps its connection to the worker for a minute.
    wait_for(lambda: not site.differences(before)["control-plane"], 120)
    assert site.differences(before) == {"control-plane": {}, "worker-1": {}}
