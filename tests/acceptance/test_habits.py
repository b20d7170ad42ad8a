"""A room under people's habits and networks: other directories, locales, proxies, two at once, a reloaded firewall."""

from __future__ import annotations

import base64
import json
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from tests.acceptance.play import Played
from tests.acceptance.room import ROOT, Room, wait_for

# Nothing listens there.
NOWHERE = "http://127.0.0.1:9"
PROXIES = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), NOWHERE)


def typed(room: Room, command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Type a command in another directory, after the room's `env` file was sourced."""
    environment = " ".join(f"{name}={value}" for name, value in variables.items())
    lines = f"cd / && export {environment} x= && . '{room.state}/env' && {command}"
    return subprocess.run(["bash", "-c", lines], capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize(
    "variables",
    [{}, {"LC_ALL": "de_DE.UTF-8"}, {"LC_ALL": "C"}, {"LANG": "C.UTF-8", "LC_TIME": "tlh_AA.UTF-8"}, PROXIES],
    ids=str,
)
def test_the_rooms_environment_is_all_that_a_command_needs(room: Room, variables: dict[str, str]) -> None:
    playbook = f"'{ROOT}/playbooks/status.yml' -e workshop_name={room.name} -e measure=false"
    done = typed(room, f"'{ROOT}/.venv/bin/ansible-playbook' {playbook} && kubectl get nodes", **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    asked = typed(room, f"curl --silent http://127.0.0.1:{room.registry_port}/v2/_catalog", **variables)
    assert "busybox" in asked.stdout, asked.stderr


def test_become_is_for_machines(room: Room) -> None:
    played = room.must("playbooks/registry.yml", "-b")
    assert played.changed == 0


def secrets(room: Room) -> set[str]:
    """What nobody may read in a log: keys, tokens and the values of all Secrets, as they are and in Base64."""
    admin = yaml.safe_load((room.state / "kubeconfig").read_text())["users"][0]["user"]
    found = {admin["client-key-data"]}
    for secret in json.loads(room.kubectl("get", "secrets", "--all-namespaces", "--output=json"))["items"]:
        if secret["type"] != "helm.sh/release.v1":
            for name, value in (secret.get("data") or {}).items():
                if not re.search(r"\.crt|\.pem|config|ca", name):  # public
                    found |= {value, base64.b64decode(value).decode(errors="replace").strip()}
    return {secret for secret in found if len(secret) >= 12}


def test_a_verbose_run_tells_no_secret(room: Room) -> None:
    kept = secrets(room)
    played = room.must("site.yml", "-vvv", "--diff")
    assert [secret[:4] for secret in kept if secret in played.output] == []


def test_of_two_runs_the_second_waits_or_is_refused(room: Room) -> None:
    first = room.start("site.yml")
    first.when(lambda: "Find the room" in first.output, 120)
    second = room.start("site.yml")
    played = second.wait(600)
    assert first.wait(600).code == 0
    assert f"Another ansible-playbook is at work on the room {room.name} (process " in played.output
    assert played.code == 0 or "nothing was changed; type it again when that has ended" in played.output
    assert played.is_plain


def test_a_run_that_is_killed_holds_nothing_for_long(room: Room) -> None:
    room.kill_when("site.yml", "Find the room", 1)
    assert room.must("playbooks/registry.yml").changed == 0


def test_proxies_do_not_come_between(room: Room) -> None:
    played = room.start("site.yml", environment=PROXIES | {"NO_PROXY": "localhost,127.0.0.1"}).wait(600)
    assert (played.code, played.changed) == (0, 0), played.output[-3000:]
    for node in ("control-plane", "worker-1"):
        shown = in_node(
            room, node, "cat /proc/*/environ /etc/kubernetes/manifests/* 2>/dev/null | tr '\\0' '\\n'; true"
        )
        assert re.findall(r"(?i)https?_proxy=\S+|name: https?_proxy", shown) == []


def test_several_services_are_named(room: Room) -> None:
    try:
        played = room.must("rollout.yml", "-e", "service=aleph,beth", "-e", "weight=20")
        assert "-e service=aleph,beth" in played.output
    finally:
        room.must("playbooks/baseline.yml", "-e", '{"service": ["aleph", "beth"]}')


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def iptables(*arguments: str) -> str:
    return output("iptables", "-w", *arguments)


def network_of(room: Room) -> dict[str, str]:
    """The bridge and the subnet of its nodes."""
    (found,) = json.loads(output("podman", "network", "inspect", f"istio-workshop-{room.name}"))
    return {"bridge": found["network_interface"], "subnet": found["subnets"][0]["subnet"]}


def own_rules(room: Room) -> list[list[str]]:
    """Arguments that delete the packet filter's rules for the room, as a reloaded firewall lacks them; no others'."""
    subnet = network_of(room)["subnet"]
    own = re.compile(rf"{re.escape(subnet)}|{re.escape(subnet.rpartition('.')[0])}\.\d+|room {room.name}\b")
    return [
        ["-t", table, "-D", *shlex.split(line)[1:]]
        for table in ("filter", "nat")
        for line in iptables("-t", table, "-S").splitlines()
        if line.startswith("-A") and own.search(line)
    ]


def unreachable(room: Room) -> bool:
    try:
        room.front("/healthz")
    except OSError:
        return True
    return False


def test_rules_that_a_reloaded_firewall_took_away_come_back(room: Room) -> None:
    rules = own_rules(room)
    assert len(rules) >= 4
    for rule in rules:
        iptables(*rule)
    assert wait_for(lambda: unreachable(room), 30) >= 0
    played = room.must("site.yml")
    assert "Let their packets through" in played.output
    assert wait_for(lambda: room.front("/backends"), 60) >= 0
    assert room.must("site.yml").changed == 0


def test_nodes_reach_each_other_where_forward_drops(room: Room) -> None:
    """As with Docker's or ufw's policy, for this room's bridge alone."""
    bridge = network_of(room)["bridge"]
    drop = ["FORWARD", "-i", bridge, "-o", bridge, "-j", "DROP"]
    with ExitStack() as stack:
        iptables("-A", *drop)
        stack.callback(iptables, "-D", *drop)
        room.must("playbooks/verify.yml")
        allowed = [
            line for line in iptables("-S", "FORWARD").splitlines() if f"istio-workshop room {room.name}" in line
        ]
        assert len(allowed) == 2


# Certificates of a minute, as those of a year are at its end.
SHORT = """
set -eu
cd /etc/kubernetes
kubectl --kubeconfig admin.conf --namespace=kube-system get configmap kubeadm-config \\
  --output=jsonpath='{.data.ClusterConfiguration}' >/run/short.yaml
echo 'certificateValidityPeriod: 1m' >>/run/short.yaml
kubeadm certs renew all --config=/run/short.yaml >/dev/null 2>&1
rm /run/short.yaml
"""


def in_node(room: Room, node: str, script: str) -> str:
    command = ["podman", "exec", "--interactive", room.node(node), "sh"]
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_certificates_that_have_ended_are_renewed(room: Room) -> None:
    in_node(room, "control-plane", SHORT)
    kubeconfig = in_node(room, "control-plane", "cat /etc/kubernetes/admin.conf")
    short = yaml.safe_load(kubeconfig)["users"][0]["user"]
    path = room.state / "kubeconfig"
    own = yaml.safe_load(path.read_text())
    own["users"][0]["user"] = short
    path.write_text(yaml.safe_dump(own))
    in_node(room, "control-plane", "pkill -x kube-apiserver; pkill -x etcd; true")
    time.sleep(90)
    assert room.kubectl("get", "nodes", check=False) == ""
    played = room.must("site.yml")
    assert "Renew certificates that are about to end" in played.output
    assert room.kubectl("get", "nodes").count(" Ready") == 2
    # Each of the control plane has read the new ones: a scheduler with an old one binds no pod.
    room.kubectl("delete", "pod", "--namespace=staging", "--selector=app=front")
    assert wait_for(lambda: room.front("/backends"), 180) >= 0
    assert room.must("site.yml").changed == 0


@pytest.fixture
def without_worker(room: Room, tmp_path: Path) -> Iterator[Path]:
    """An inventory that has lost its worker."""
    inventory = yaml.safe_load((ROOT / "molecule/inventory/hosts.yml").read_text())
    inventory["all"]["children"]["nodes"]["children"]["workers"]["hosts"] = {}
    path = tmp_path / "hosts.yml"
    path.write_text(yaml.safe_dump(inventory))
    yield path
    room.must("site.yml")


def test_a_worker_that_left_the_inventory_is_told_with_what_removes_it(room: Room, without_worker: Path) -> None:
    played: Played = replace(room, inventory=without_worker).must("site.yml")
    text = " ".join(played.output.split())
    assert "worker-1 is a node of the room, but not in its inventory: it stays until you type kubectl drain" in text
    assert room.kubectl("get", "nodes", "--output=name").split() == ["node/control-plane", "node/worker-1"]
