"""Who looks around in the cluster from a pod of the bundle's busybox uses wget, with a time-out, and nslookup."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest
from tests.acceptance.room import Room

pytestmark = [pytest.mark.ci, pytest.mark.timeout(300)]

POD = "busybox-asks"
IMAGE = "localhost/workshop/busybox:1.35.0"


@pytest.fixture(scope="module")
def pod(room: Room) -> Iterator[Room]:
    """A pod of busybox in `default`, where no policy keeps it from anything."""
    security = {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {
        "name": "busybox",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "300"],
        "securityContext": security,
    }
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    try:
        room.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": POD}, "spec": spec})
        room.kubectl("wait", "--for=condition=Ready", f"pod/{POD}", "--timeout=120s")
        yield room
    finally:
        room.kubectl("delete", "pod", POD, "--ignore-not-found")


def run(room: Room, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the pod, as a person does."""
    return subprocess.run(
        [room.state / "bin/kubectl", "--kubeconfig", room.state / "kubeconfig", "exec", POD, "--", *command],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_wget_reads_from_a_name_and_from_an_address(pod: Room) -> None:
    service = json.loads(pod.kubectl("get", "service", "kube-dns", "--namespace=kube-system", "--output=json"))
    for host in ("kube-dns.kube-system.svc", "kube-dns.kube-system.svc.cluster.local", service["spec"]["clusterIP"]):
        done = run(pod, "wget", "-q", "-T", "20", "-O", "-", f"http://{host}:9153/metrics")
        assert (done.returncode, "coredns_build_info" in done.stdout) == (0, True), (host, done.stderr)


def test_a_name_that_is_not_there_is_said(pod: Room) -> None:
    done = run(pod, "wget", "-T", "20", "-O", "-", "http://nothing.invalid/")
    assert done.returncode == 4, (done.returncode, done.stderr)  # GNU wget's "network failure"


def test_nslookup_knows_the_services(pod: Room) -> None:
    done = run(pod, "nslookup", "kubernetes.default.svc.cluster.local")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kubernetes.default.svc.cluster.local" in done.stdout
