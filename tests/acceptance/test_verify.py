"""verify.yml is there to notice: each of these faults makes it fail, with a sentence that names it."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from tests.acceptance.observer import Observer
from tests.acceptance.promise import begin
from tests.acceptance.room import Room

STAGING = "--namespace=staging"


@dataclass(frozen=True)
class Fault:
    """What somebody types (kubectl), what verify.yml must say of it, and what kubectl command takes it back where
    deploying again does not."""

    name: str
    typed: tuple[str, ...]
    said: str
    back: tuple[str, ...] = ()


def patch(target: str, change: object, kind: str = "merge", namespace: str = STAGING) -> tuple[str, ...]:
    return ("patch", namespace, target, f"--type={kind}", f"--patch={json.dumps(change)}")


FAULTS = [
    Fault("a version scaled to 0", ("scale", STAGING, "deployment/aleph-v01", "--replicas=0"), "aleph-v01.*replicas"),
    Fault("the database scaled to 0", ("scale", STAGING, "deployment/mongo", "--replicas=0"), "mongo.*replicas"),
    Fault(
        "an image that is not there",
        ("set", "image", STAGING, "deployment/aleph-v01", "aleph=127.0.0.1:1/nothing:0.1"),
        "aleph-v01.*image is .*nothing:0.1",
    ),
    Fault(
        "another version's image",
        patch("deployment/aleph-v01", {"metadata": {"annotations": {"workshop.istio-games/version": "0.3"}}}),
        "aleph-v01.*version",
    ),
    Fault(
        "a wrong address of a backend",
        ("set", "env", STAGING, "deployment/front-v03", "ALEPH_URL=http://nowhere"),
        "front-v03.*http://nowhere",
    ),
    Fault(
        "a policy deleted", ("delete", STAGING, "networkpolicy/aleph-callers"), "NetworkPolicy/staging/aleph-callers"
    ),
    Fault("no policy denies", ("delete", STAGING, "networkpolicy/default-deny"), "NetworkPolicy/staging/default-deny"),
    Fault(
        "a policy opened",
        patch("networkpolicy/aleph-callers", {"spec": {"ingress": [{}]}}),
        "NetworkPolicy/staging/aleph-callers is not as it was deployed",
    ),
    Fault("the namespace off the mesh", ("label", "namespace/staging", "istio-injection-"), "staging.*istio-injection"),
    Fault(
        "pods with more rights",
        ("label", "namespace/staging", "pod-security.kubernetes.io/enforce=privileged", "--overwrite"),
        'staging.*enforce.*"privileged"',
    ),
    Fault(
        "plain text is let in",
        patch("peerauthentication/default", {"spec": {"mtls": {"mode": "PERMISSIVE"}}}),
        "PeerAuthentication/staging/default.*PERMISSIVE",
    ),
    Fault(
        "mTLS left to the mesh", ("delete", STAGING, "peerauthentication/default"), "PeerAuthentication/staging/default"
    ),
    Fault(
        "a Service without endpoints",
        patch("service/aleph", {"spec": {"selector": {"app": "gimel"}}}),
        'Service/staging/aleph.*"gimel"',
    ),
    Fault("a Service deleted", ("delete", STAGING, "service/beth"), "Service/staging/beth is missing"),
    Fault(
        "a port that is not named",
        patch("service/aleph", [{"op": "replace", "path": "/spec/ports/0/name", "value": "tcp"}], "json"),
        "Service/staging/aleph.*tcp",
    ),
    Fault("no routes", ("delete", STAGING, "virtualservice/aleph"), "aleph is at no stage"),
    Fault("no subsets", ("delete", STAGING, "destinationrule/aleph"), "aleph"),
    Fault(
        "a weight edited",
        patch(
            "virtualservice/aleph",
            [
                {"op": "add", "path": "/spec/http/0/route/0/weight", "value": 100},
                {"op": "add", "path": "/spec/http/0/route/-", "value": {"destination": {"host": "beth"}, "weight": 0}},
            ],
            "json",
        ),
        "aleph.*kubectl-patch",
    ),
    Fault(
        "the registry stopped",
        ("scale", "--namespace=registry", "deployment/registry", "--replicas=0"),
        "registry",
        ("scale", "--namespace=registry", "deployment/registry", "--replicas=1"),
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_named(room: Room, observer: Observer, undo: ExitStack, fault: Fault) -> None:
    begin(room, observer)
    undo.callback(mend, room, observer, fault)
    room.kubectl(*fault.typed)
    done = room.play("playbooks/verify.yml", timeout=600)
    assert done.code != 0
    assert done.is_plain
    assert re.search(fault.said, done.output, re.DOTALL), done.output[-4000:]


def mend(room: Room, observer: Observer, fault: Fault) -> None:
    """Bring the room back, by what a user would type."""
    if fault.back:
        room.kubectl(*fault.back)
    room.must("playbooks/deploy.yml")
    begin(room, observer)


def test_somebody_elses_route_is_named(room: Room, observer: Observer, undo: ExitStack) -> None:
    begin(room, observer)
    undo.callback(room.kubectl, "delete", STAGING, "virtualservice/mine", "--ignore-not-found")
    spec = {"hosts": ["aleph"], "http": [{"route": [{"destination": {"host": "aleph"}}]}]}
    metadata = {"name": "mine", "namespace": "staging"}
    room.create({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": metadata, "spec": spec})
    done = room.play("playbooks/verify.yml", timeout=600)
    assert done.code != 0
    assert "staging/mine" in done.output


@pytest.mark.parametrize(
    "stage",
    [
        ["playbooks/baseline.yml"],
        ["playbooks/mirror.yml"],
        pytest.param(["rollout.yml", "-e", "weight=20"], marks=pytest.mark.ci),
    ],
)
def test_a_room_without_faults_is_verified_at_every_stage(room: Room, observer: Observer, stage: list[str]) -> None:
    begin(room, observer)
    room.must(*stage)
    assert room.must("playbooks/verify.yml").changed == 0
