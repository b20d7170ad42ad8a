"""A node that dies takes its share of a class with it, whole; the others notice nothing, and who was on it goes on."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest
from tests.acceptance.play import TRACEBACK, Played
from tests.acceptance.room import Room, wait_for

NAMES = [f"student-{number:02}" for number in range(1, 7)]
WORKER = "worker-1"
# Kubernetes gives up a node's kubelet after 50 s.
GIVEN_UP_SECONDS = 120


def place(room: Room, name: str) -> dict[str, str]:
    """A student's place, as class.json has it."""
    students = json.loads((room.state / "class.json").read_text())["students"]
    return next(student for student in students if student["name"] == name)


def nodes_of(room: Room, name: str) -> set[str]:
    """The nodes that a place's pods are on."""
    pods = json.loads(room.kubectl("get", "pods", f"--namespace={name}", "--output=json"))["items"]
    return {pod["spec"]["nodeName"] for pod in pods}


def kept(room: Room, names: list[str]) -> dict[str, tuple[str, int]]:
    """The UID and the restarts of each of their pods."""
    found = {}
    for name in names:
        for pod in json.loads(room.kubectl("get", "pods", f"--namespace={name}", "--output=json"))["items"]:
            restarts = sum(each["restartCount"] for each in pod["status"]["containerStatuses"])
            found[f"{name}/{pod['metadata']['name']}"] = (pod["metadata"]["uid"], restarts)
    return found


def answers(room: Room) -> str:
    """Whether Kubernetes hears of the worker."""
    condition = '{.status.conditions[?(@.type=="Ready")].status}'
    return room.kubectl("get", "node", WORKER, f"--output=jsonpath={condition}")


def refused(done: Played, sentence: str) -> None:
    assert done.code != 0
    assert not TRACEBACK.search(done.output), done.output[-6000:]
    assert sentence in " ".join(done.output.split()), done.output[-6000:]


@pytest.fixture
def spread(room: Room) -> Iterator[tuple[list[str], list[str]]]:
    """A class over two nodes: who is on the control plane, and who on the worker. Both nodes are there afterwards."""
    if not room.workers:
        pytest.skip("a room without a worker")
    room.must("playbooks/class.yml", "-e", f"students={len(NAMES)}")
    try:
        dying = [name for name in NAMES if place(room, name)["node"] == WORKER]
        yield [name for name in NAMES if name not in dying], dying
    finally:
        room.must("site.yml")
        wait_for(lambda: answers(room) == "True", GIVEN_UP_SECONDS)
        room.must("playbooks/remove.yml", "-e", "student=all")


def test_a_node_that_dies_takes_its_places_alone(room: Room, spread: tuple[list[str], list[str]]) -> None:
    staying, dying = spread
    assert len(dying) == len(staying), "nodes with as much memory get as many"
    for name in NAMES:
        assert nodes_of(room, name) == {place(room, name)["node"]}
    before = kept(room, staying)
    subprocess.run(["podman", "kill", room.node(WORKER)], check=True, capture_output=True)
    wait_for(lambda: answers(room) == "Unknown", GIVEN_UP_SECONDS)

    # The others work on, a stage too.
    room.must("rollout.yml", "-e", f"student={staying[0]}", "-e", "weight=50")
    room.must("playbooks/verify.yml", "-e", f"student={','.join(staying[1:])}")
    assert before.items() <= kept(room, staying).items()

    # Who was on it is told what to do, and nothing is lost in silence.
    lost, asleep, waiting = dying
    refused(room.play("playbooks/goto.yml", "-e", f"student={lost}", "-e", "stage=baseline"), "does not answer")
    room.must("playbooks/suspend.yml", "-e", f"student={asleep}")
    refused(room.play("playbooks/resume.yml", "-e", f"student={asleep}"), "does not answer")
    room.must("playbooks/reset.yml", "-e", f"student={lost}")
    room.must("playbooks/remove.yml", "-e", f"student={asleep}")
    room.must("playbooks/class.yml", "-e", f"student={asleep}")
    for name in (lost, asleep):
        assert place(room, name)["state"] == "ready"
        assert nodes_of(room, name) == {"control-plane"}
    room.must("playbooks/verify.yml", "-e", f"student={lost},{asleep}")

    # The node comes back, with what was on it.
    room.must("site.yml")
    wait_for(lambda: answers(room) == "True", GIVEN_UP_SECONDS)
    wait_for(lambda: room.play("playbooks/verify.yml", "-e", f"student={waiting}").code == 0, GIVEN_UP_SECONDS)
    assert room.must("playbooks/class.yml", "-e", f"students={len(NAMES)}").changed == 0
    room.must("playbooks/remove.yml", "-e", f"student={lost}")
    assert before.items() <= kept(room, staying).items()
