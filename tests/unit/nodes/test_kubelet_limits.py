"""A node that is up is told how many pods it takes, and how many threads each may have: once, and whatever kills it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import jinja2
import pytest
import yaml

ROLE = Path(__file__).resolve().parents[3] / "roles" / "cluster"
KUBEADM = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
WANTED = ["maxPods: 250", "podPidsLimit: 512"]
OF_PODS = (
    "pids/kubepods/burstable/pod897c55cd-7c2b-4ed3-8218-f3fd075b55ef",
    "pids/kubepods/pod80a9009f-7b25-437f-be1f-000000000000",
    "kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod80a9009f_7b25_437f.slice",
)
OF_OTHERS = (
    "pids",
    "pids/kubepods",
    "pids/kubepods/burstable",
    "pids/user/podman",
    "kubepods.slice/kubepods-besteffort.slice",
    f"{OF_PODS[0]}/a3db7c3dfae69edf5a6e585537c5be2f",
)


class Node:
    """A node's files, below a directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config, self.restarts = root / "kubelet" / "config.yaml", root / "restarts"
        for directory in ("kubelet", "bin", *(f"cgroup/{each}" for each in (*OF_PODS, *OF_OTHERS))):
            (root / directory).mkdir(parents=True, exist_ok=True)
        for each in (*OF_PODS, *OF_OTHERS):
            (root / "cgroup" / each / "pids.max").write_text("max\n")
        self.programme("sv", f'echo "$@" >>{self.restarts}')
        (task,) = yaml.safe_load((ROLE / "tasks" / "pods.yml").read_text())
        text = task["ansible.builtin.shell"]["cmd"]
        for path, own in (("/var/lib/kubelet", "kubelet"), ("/sys/fs/cgroup", "cgroup"), ("/run/systemd", "none")):
            assert path in text
            text = text.replace(path, str(root / own))
        self.script = jinja2.Template(text)

    def programme(self, name: str, text: str) -> None:
        path = self.root / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def told(self, check_mode: bool = False) -> str:
        limits = {"cluster_max_pods": 250, "cluster_pod_pids_limit": 512}
        script = self.script.render(ansible_check_mode=check_mode, **limits)
        path = f"{self.root / 'bin'}:{os.environ['PATH']}"
        done = subprocess.run(
            ["sh", "-c", script], env={"PATH": path}, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def limit(self, cgroup: str) -> str:
        return (self.root / "cgroup" / cgroup / "pids.max").read_text().strip()


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


@pytest.mark.parametrize(
    ("config", "changed"),
    [
        pytest.param("", True, id="as kubeadm alone writes it"),
        pytest.param("maxPods: 250\n", True, id="of an older room"),
        pytest.param("maxPods: 110\npodPidsLimit: -1\n", True, id="of other numbers"),
        pytest.param("maxPods: 2500\npodPidsLimit: 5120\n", True, id="of numbers that begin alike"),
        pytest.param("podPidsLimit: 512\nmaxPods: 250\n", False, id="as it must be"),
    ],
)
def test_a_kubelet_is_told_once(node: Node, config: str, changed: bool) -> None:
    node.config.write_text(KUBEADM + config)
    assert node.told() == ("changed" if changed else "")
    assert node.restarts.exists() is changed
    lines = node.config.read_text().splitlines()
    assert lines[:2] == KUBEADM.splitlines()
    assert sorted(lines[2:]) == WANTED
    assert node.told() == ""


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize(
    ("config", "changed"), [("maxPods: 250\n", True), ("maxPods: 250\npodPidsLimit: 512\n", False)]
)
def test_check_mode_tells_and_changes_nothing(node: Node, config: str, changed: bool, begun: bool) -> None:
    node.config.write_text(KUBEADM + config)
    if begun:
        (node.root / "kubelet" / "istio-workshop-restart").touch()
    before = sorted(node.root.rglob("*"))
    assert node.told(check_mode=True) == ("changed" if changed or begun else "")
    assert (node.config.read_text(), sorted(node.root.rglob("*"))) == (KUBEADM + config, before)
    assert {node.limit(each) for each in OF_PODS} == {"max"}


def test_pods_that_run_get_the_limit_too_and_nobody_else(node: Node) -> None:
    node.config.write_text(KUBEADM)
    node.told()
    assert {node.limit(each) for each in OF_PODS} == {"512"}
    assert {node.limit(each) for each in OF_OTHERS} == {"max"}


@pytest.mark.parametrize("at", ["sv", "rm"])
def test_killed_before_the_kubelet_has_read_it_it_goes_on(node: Node, at: str) -> None:
    node.config.write_text(KUBEADM)
    kept = (node.root / "bin" / "sv").read_text()
    node.programme(at, "kill -KILL $PPID")
    with pytest.raises(AssertionError):
        node.told()
    (node.root / "bin" / at).unlink()
    (node.root / "bin" / "sv").write_text(kept)
    (node.root / "bin" / "sv").chmod(0o755)
    assert node.told() == "changed"
    assert node.restarts.exists()
    assert {node.limit(each) for each in OF_PODS} == {"512"}
    assert node.told() == ""


def test_what_is_written_all_the_time_does_not_fill_etcd() -> None:
    rendered = (ROLE / "templates" / "kubeadm-init.yaml.j2").read_text()
    options = dict(re.findall(r"- {name: ([-a-z]+), value: (.*)}", rendered))
    assert options["etcd-compaction-interval"] == "1m0s"
    assert options["quota-backend-bytes"] == f'"{8 * 2**30}"'


def test_a_room_begins_with_both() -> None:
    text = (ROLE / "templates" / "kubeadm-init.yaml.j2").read_text()
    assert "\nmaxPods: {{ cluster_max_pods }}\npodPidsLimit: {{ cluster_pod_pids_limit }}\n" in text


def test_a_limit_that_cannot_be_given_is_no_success(node: Node) -> None:
    node.config.write_text(KUBEADM)
    limit = node.root / "cgroup" / OF_PODS[0] / "pids.max"
    limit.unlink()
    limit.symlink_to("/dev/full")
    with pytest.raises(AssertionError):
        node.told()
    limit.unlink()
    assert node.told() == "changed", "the pod has ended, and the rest goes on"
