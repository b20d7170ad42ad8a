"""Who takes the processors from the others is throttled until that ends, and is told; nobody else is."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from tests.acceptance.room import Room, wait_for
from tests.acceptance.student import Student, class_of_two

RUNAWAY, OTHER = "student-01", "student-02"
# More loops than processors, of a node with up to a dozen of them.
PODS, LOOPS = min(max(8, (os.cpu_count() or 1) + 2), 14), 90
ANNOTATION = "{.metadata.annotations.workshop\\.istio-games/throttled}"
# Each takes a whole processor if it gets it.
LOOP = f"timeout {LOOPS} sh -c 'while :; do :; done'"


@pytest.fixture
def runaway(room: Room) -> Iterator[Student]:
    """A student who scales the application up."""
    class_of_two(room, RUNAWAY, OTHER)
    student = Student(room, RUNAWAY)
    student.kubectl("scale", "deployment/aleph-v01", f"--replicas={PODS}")
    student.kubectl("rollout", "status", "deployment/aleph-v01", "--timeout=180s")
    yield student
    student.kubectl("scale", "deployment/aleph-v01", "--replicas=1")
    student.kubectl("rollout", "status", "deployment/aleph-v01", "--timeout=180s")


def throttled(room: Room, name: str) -> str:
    return room.kubectl("get", "namespace", name, f"--output=jsonpath={ANNOTATION}")


def limits(room: Room, name: str) -> dict[str, str]:
    """The limit of each container's CPU, as its pod is to have it."""
    pods = json.loads(room.kubectl("get", "pods", f"--namespace={name}", "--output=json"))["items"]
    return {
        f"{pod['metadata']['name']}/{each['name']}": each["resources"]["limits"]["cpu"]
        for pod in pods
        for each in (*pod["spec"]["containers"], *pod["spec"].get("initContainers", ()))
        if each["name"] != "istio-validation"
    }


def loop(student: Student, pod: str) -> None:
    kubeconfig = student.room.state / "students" / student.name / "kubeconfig"
    words = ["--kubeconfig", str(kubeconfig), "exec", pod, "--container=aleph", "--", "sh", "-c", LOOP]
    subprocess.run([student.room.state / "bin/kubectl", *words], capture_output=True, timeout=LOOPS + 60, check=False)


@contextmanager
def running_away(room: Room, student: Student) -> Iterator[None]:
    """Throttled within it, for loops in each of its pods, which have ended after it."""
    _, pods = student.kubectl("get", "pods", "--selector=app=aleph", "--output=name")
    with ThreadPoolExecutor(PODS) as at_once:
        loops = [at_once.submit(loop, student, pod) for pod in pods.split()]
        wait_for(lambda: throttled(room, RUNAWAY), LOOPS - 10)
        yield
        for each in loops:
            each.result()


def test_who_runs_away_is_throttled_until_it_ends(room: Room, runaway: Student) -> None:
    others = limits(room, OTHER)
    before = limits(room, RUNAWAY)
    assert not throttled(room, RUNAWAY)
    with running_away(room, runaway):
        wait_for(lambda: all(value.endswith("m") for value in limits(room, RUNAWAY).values()), 30)
        found = limits(room, RUNAWAY)
        assert max(int(value.removesuffix("m")) for value in found.values()) < 50
        assert limits(room, OTHER) == others
        assert not throttled(room, OTHER)
        code, events = runaway.kubectl("get", "events", "--field-selector=reason=Throttled")
        assert code == 0
        assert "together they may take" in events
        told = room.must("playbooks/status.yml", "-e", f"student={RUNAWAY},{OTHER}").output
        assert f"{RUNAWAY} is throttled since" in told
        assert f"{OTHER} is throttled" not in told
    wait_for(lambda: not throttled(room, RUNAWAY), 180)
    assert limits(room, RUNAWAY) == before
    assert "is throttled" not in room.must("playbooks/status.yml", "-e", f"student={RUNAWAY},{OTHER}").output


def test_a_stage_in_a_place_that_is_throttled_is_taken(room: Room, runaway: Student) -> None:
    with running_away(room, runaway):
        pass
    room.must("playbooks/rollout.yml", "-e", f"student={RUNAWAY}", "-e", "weight=20")
    room.must("playbooks/goto.yml", "-e", f"student={RUNAWAY}", "-e", "stage=baseline")
    assert not throttled(room, RUNAWAY)


def test_whose_pods_come_and_go_gets_no_more_until_it_is_put_right(room: Room, runaway: Student) -> None:
    def is_held() -> bool:
        runaway.kubectl("delete", "pods", "--selector=app=aleph", "--grace-period=0", "--force", "--wait=false")
        return runaway.kubectl("get", "resourcequota", "throttled")[0] == 0

    with running_away(room, runaway):
        wait_for(is_held, LOOPS)
    code, events = runaway.kubectl("get", "events", "--field-selector=reason=Held")
    assert code == 0
    assert "Its pods came and went" in events
    assert not throttled(room, OTHER)
    room.must("playbooks/goto.yml", "-e", f"student={RUNAWAY}", "-e", "stage=baseline")
    assert runaway.kubectl("get", "resourcequota", "throttled")[0] != 0
    assert not throttled(room, RUNAWAY)
