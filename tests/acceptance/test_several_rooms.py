"""One class over two clusters: even, each student in one, and a room that fails or is silent hinders no other."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.acceptance.broken import Hands
from tests.acceptance.play import Played, Running
from tests.acceptance.room import ROOT, Room
from tests.acceptance.test_class_archive import ADD, DEVICES, LIST, in_pod, routes

SECOND = Room("acceptance-green", api_port=26444, registry_port=32310, front_port=30290)
NAMES = ["student-01", "student-02", "student-03", "student-04"]


class Rooms:
    """rooms.yml as an instructor types it."""

    def __init__(self, first: Room, directory: Path) -> None:
        self.both = {first.name: first, SECOND.name: SECOND}
        self.inventory = directory / "rooms.yml"
        hosts: dict[str, Any] = {name: {} for name in self.both}
        self.inventory.write_text(yaml.safe_dump({"all": {"children": {"rooms": {"hosts": hosts}}}}))
        self.directory = first.state.parent

    def play(self, playbook: str, *arguments: str) -> Played:
        words = [word for each in (f"playbook={playbook}", *arguments) for word in ("-e", each)]
        command = ["ansible-playbook", "-i", str(self.inventory), "playbooks/rooms.yml", *words]
        return Running(command, ROOT, {}).wait()

    def must(self, playbook: str, *arguments: str) -> Played:
        played = self.play(playbook, *arguments)
        assert played.code == 0, played.output[-6000:]
        return played

    def read(self, name: str) -> Any:
        """What both have written together."""
        return json.loads((self.directory / name).read_text())

    def states(self) -> dict[str, str]:
        return {each["name"]: each["state"] for each in self.read("class.json")["students"]}

    def pods(self) -> dict[str, str]:
        """The UID of each pod of a student, by room and name."""
        found: dict[str, str] = {}
        for name, room in self.both.items():
            pods = json.loads(room.kubectl("get", "pods", "--all-namespaces", "--output=json"))["items"]
            students = [pod["metadata"] for pod in pods if pod["metadata"]["namespace"].startswith("student-")]
            found |= {f"{name}/{each['namespace']}/{each['name']}": each["uid"] for each in students}
        return found


def refused(done: Played, sentences: Sequence[str]) -> None:
    assert done.code != 0
    assert done.is_plain, done.output[-6000:]
    for sentence in sentences:
        assert sentence in " ".join(done.output.split()), done.output[-6000:]


@pytest.fixture(scope="module")
def rooms(room: Room, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rooms]:
    """The room of these tests and a second one, without students."""
    try:
        SECOND.must("site.yml")
        room.must("playbooks/remove.yml", "-e", "student=all")
        yield Rooms(room, tmp_path_factory.mktemp("rooms"))
    finally:
        room.must("playbooks/remove.yml", "-e", "student=all")
        SECOND.must("playbooks/teardown.yml")


def test_a_class_over_two_clusters(room: Room, rooms: Rooms) -> None:
    rooms.must("class", "students=4")
    assert rooms.states() == dict.fromkeys(NAMES, "ready")
    told = rooms.read("class.json")
    assert sorted(len(names) for names in told["rooms"].values()) == [2, 2], "even"
    for student in told["students"]:
        home = rooms.both[student["room"]]
        assert student["name"] in told["rooms"][home.name]
        assert student["page"].startswith(f"https://127.0.0.1:{home.front_port + 1000}/")
        # Each kubeconfig is of the right cluster.
        pods = ["get", "pods", "--output=name", f"--namespace={student['namespace']}"]
        command = [str(home.state / "bin/kubectl"), f"--kubeconfig={student['kubeconfig']}", *pods]
        assert "pod/front" in subprocess.run(command, check=True, capture_output=True, text=True).stdout

    before = rooms.pods()
    assert rooms.must("class", "students=4").changed == 0
    rooms.must("rollout", "student=all", "weight=50")
    stages = rooms.read("stages.json")
    assert (stages["good"], {each["student"] for each in stages["places"]}) == (4, {*NAMES})
    rooms.must("status", "student=all")
    assert rooms.read("statuses.json")["good"] == 4

    # A late joiner changes nothing for the others.
    before = rooms.pods()
    rooms.must("class", "student=student-05")
    assert before.items() <= rooms.pods().items()
    assert sorted(len(names) for names in rooms.read("class.json")["rooms"].values()) == [2, 3]

    # Each playbook finds the room of whoever is named.
    where = {student["name"]: student["room"] for student in told["students"]}
    rooms.must("suspend", "student=student-01,student-02")
    assert rooms.states() == {**dict.fromkeys(["student-03", "student-04", "student-05"], "ready"),
                              **dict.fromkeys(NAMES[:2], "suspended")}  # fmt: skip
    rooms.must("resume", "student=student-01,student-02")

    # One place that fails is named; those of the other room go on.
    broken = rooms.both[where["student-03"]]
    broken.kubectl("delete", "--namespace=student-03", "deployment", "aleph-v03")
    of_version = "--selector=app=aleph,version=v03"
    broken.kubectl("wait", "--namespace=student-03", "--for=delete", "pod", of_version, "--timeout=60s")
    done = rooms.play("verify", "student=all")
    refused(done, [f"1 of 2 rooms failed. {broken.name}: ", "student-03: "])
    assert {each["student"]: each["verdict"] for each in rooms.read("verified.json")["places"]} == {
        **dict.fromkeys([*NAMES, "student-05"], "seen"),
        "student-03": "faulty",
    }

    refused(rooms.play("suspend", "student=nobody"), ["nobody"])
    rooms.must("remove", "student=all")
    assert rooms.states() == {}
    assert rooms.pods() == {}


def test_a_room_that_does_not_answer_ends_it_before_anything_is_changed(room: Room, rooms: Rooms) -> None:
    node = SECOND.node("control-plane")
    before = rooms.pods()
    subprocess.run(["podman", "pause", node], check=True, capture_output=True)
    try:
        refused(
            rooms.play("class", "students=2"),
            [f"The room {SECOND.name} cannot be asked who has a place there, so nothing was changed in any"],
        )
    finally:
        subprocess.run(["podman", "unpause", node], check=True, capture_output=True)
    assert rooms.pods() == before


def test_what_one_room_has_archived_another_one_restores(room: Room, rooms: Rooms) -> None:
    name = "mover"
    for each in rooms.both.values():
        each.must("playbooks/class.yml", "-e", f"students={name}")
    old, new = Hands(room, name), Hands(SECOND, name)
    room.must("rollout.yml", "-e", f"student={name}", "-e", "weight=20", "-e", "service=aleph")
    in_pod(old, "aleph", ADD, DEVICES)
    room.must("playbooks/archive.yml", "-e", f"student={name}")
    file = max((room.state / "archives").glob(f"{name}-*.tar.gz"), key=lambda path: path.stat().st_mtime)
    SECOND.must("playbooks/restore.yml", "-e", f"archive={file}")
    assert routes(new) == routes(old)
    assert json.loads(in_pod(new, "aleph", LIST))["devices"] == DEVICES
    SECOND.must("playbooks/verify.yml", "-e", f"student={name}")
