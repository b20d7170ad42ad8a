"""A class while it is made: a place that fails is named, and the others are handed out; what is killed goes on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from tests.acceptance.play import TRACEBACK, Played
from tests.acceptance.room import Room

NAMES = ["student-01", "student-02", "student-03"]
FAILING = "student-02"
CLASS, REMOVE = ("playbooks/class.yml", "-e", "students=3"), ("playbooks/remove.yml", "-e", "student=all")
VERSION = "admissionregistration.k8s.io/v1"
Undo = Callable[[], object]


@pytest.fixture(autouse=True)
def empty(room: Room) -> Iterator[None]:
    """A room without students, before and after."""
    room.must(*REMOVE)
    yield
    room.must(*REMOVE)


def states(room: Room) -> dict[str, str]:
    """The state of each place; of whom there is no namespace, there is none."""
    students = json.loads((room.state / "class.json").read_text())["students"]
    return {student["name"]: student["state"] for student in students}


def only_one_failed(room: Room, done: Played, said: str) -> None:
    """It is named with its cause, `making` while its namespace goes, and the others are handed out."""
    assert done.code != 0
    assert not TRACEBACK.search(done.output), done.output[-6000:]
    assert re.search(rf"1 of 3 places failed\.\s+{FAILING}: .*{said}", done.output), done.output[-6000:]
    found = states(room)
    assert found.pop(FAILING, "failed") in ("failed", "making")
    assert found == dict.fromkeys({*NAMES} - {FAILING}, "ready")


def goes_on(room: Room) -> None:
    """The same command makes the whole class, and then nothing."""
    room.must(*CLASS)
    assert states(room) == dict.fromkeys(NAMES, "ready")
    assert room.must(*CLASS).changed == 0


def left(room: Room) -> list[str]:
    """What bears a student's name in the cluster, and their files."""
    kinds = "namespaces,virtualservices,rolebindings"
    found = room.kubectl(
        "get", kinds, "--all-namespaces", "--selector=workshop.istio-games/student", "--output=name"
    ).split()
    throttle = f"daemonset/{room.name}-student-throttle"
    found += room.kubectl("get", throttle, "--namespace=kube-system", "--ignore-not-found", "--output=name").split()
    files = room.state / "students"
    return found + ([path.name for path in files.iterdir()] if files.exists() else [])


def policy(room: Room, resource: str, expression: str, **constraints: object) -> Undo:
    """Somebody's policy of what may be created."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [resource]}
    spec = {"matchConstraints": {"resourceRules": [rule], **constraints}, "validations": [{"expression": expression}]}
    kind, name = "ValidatingAdmissionPolicy", "somebody-s"
    room.create({"apiVersion": VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec})
    binding = {"policyName": name, "validationActions": ["Deny"]}
    room.create({"apiVersion": VERSION, "kind": f"{kind}Binding", "metadata": {"name": name}, "spec": binding})
    return lambda: room.kubectl("delete", f"{kind.lower()}/{name}", f"{kind.lower()}binding/{name}")


def refused_pods(room: Room) -> Undo:
    """A policy takes no pod of one service."""
    selector = {"matchLabels": {"kubernetes.io/metadata.name": FAILING}}
    return policy(room, "pods", "object.metadata.?labels.app.orValue('') != 'beth'", namespaceSelector=selector)


def refused_namespace(room: Room) -> Undo:
    """A policy does not take the namespace."""
    return policy(room, "namespaces", f"object.metadata.name != '{FAILING}'")


def foreign_namespace(room: Room) -> Undo:
    """The namespace is somebody else's."""
    room.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": FAILING}})
    return lambda: room.kubectl("delete", "namespace", FAILING)


FAULTS: dict[str, tuple[Callable[[Room], Undo], str]] = {
    "its namespace is somebody else's": (foreign_namespace, f"The namespace {FAILING} is made with kubectl"),
    "a policy takes none of its pods": (refused_pods, "beth-v01"),
    "a policy does not take its namespace": (refused_namespace, "somebody-s"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_place_that_fails_is_named_and_the_others_are_handed_out(room: Room, undo: ExitStack, fault: str) -> None:
    make, said = FAULTS[fault]
    undo.callback(make(room))
    only_one_failed(room, room.play(*CLASS), said)
    assert states(room)[FAILING] == "failed"
    undo.close()
    goes_on(room)


def test_a_namespace_that_is_deleted_meanwhile_fails_alone(room: Room) -> None:
    running = room.start(*CLASS)
    running.when(lambda: f"{FAILING}: aleph-v01" in running.output)
    room.kubectl("delete", "namespace", FAILING, "--wait=false")
    only_one_failed(room, running.wait(), "")
    goes_on(room)


# What class.yml and remove.yml say, and the seconds after it that the run is killed.
WHILE_MADE = [
    ("Make the manifests of a place]", 1.0),
    ("Work on the places of students]", 0.5),
    ("student-02: aleph-v01", 0.0),
    ("its policies are in force", 0.2),
    ("its page answers", 0.0),
]
WHILE_REMOVED = [("Work on the places of students]", 0.3), ("student-01: ", 0.5)]


def test_what_is_killed_goes_on(room: Room) -> None:
    for line, delay in WHILE_MADE:
        room.kill_when(CLASS[0], line, delay, *CLASS[1:])
    goes_on(room)
    for line, delay in WHILE_REMOVED:
        room.kill_when(REMOVE[0], line, delay, *REMOVE[1:])
    room.must(*REMOVE)
    assert left(room) == []
