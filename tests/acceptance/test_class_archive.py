"""A student's work in a file: what is restored into a fresh place is the same stage, routes and devices."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.broken import ISTIO, Hands
from tests.acceptance.room import Room

ANNA, BEN = "many-01", "many-02"
DEVICES = [{"name": f"lamp {number}", "uid": number, "type": "light", "price": number / 4} for number in range(3)]
# From a pod of the application itself: nobody else reaches a backend.
ADD = """
import json, sys, urllib.request
for device in json.load(sys.stdin):
    body, kind = json.dumps(device).encode(), {"Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request("http://127.0.0.1:8080/devices", body, kind))
"""
LIST = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8080/devices').read().decode())"


@pytest.fixture(scope="module")
def places(room: Room) -> Iterator[Hands]:
    """Two places of students."""
    room.must("playbooks/class.yml", "-e", f"students={ANNA},{BEN}")
    yield Hands(room, ANNA)
    room.must("playbooks/remove.yml", "-e", f"student={ANNA},{BEN}")


def in_pod(hands: Hands, app: str, program: str, given: Any = None) -> str:
    words = ("exec", "--stdin", hands.pod(app), f"--container={app}", "--", "python3", "-c", program)
    return hands.kubectl(*words, given=given)


def routes(hands: Hands) -> dict[str, Any]:
    listed = hands.get("virtualservices,destinationrules")["items"]
    return {f"{item['kind']} {item['metadata']['name']}": item["spec"] for item in listed}


def archives(room: Room) -> list[Path]:
    return sorted((room.state / "archives").glob(f"{ANNA}-*.tar.gz"), key=lambda path: path.stat().st_mtime)


def test_what_is_restored_is_the_same(room: Room, places: Hands) -> None:
    room.must("rollout.yml", "-e", f"student={ANNA}", "-e", "weight=20", "-e", "service=aleph")
    room.must("playbooks/goto.yml", "-e", f"student={ANNA}", "-e", "stage=promote", "-e", "service=beth")
    places.make(
        ISTIO, "VirtualService", "mine", {"hosts": ["front"], "http": [{"route": [{"destination": {"host": "front"}}]}]}
    )
    in_pod(places, "aleph", ADD, DEVICES)
    before = routes(places)
    room.must("playbooks/archive.yml", "-e", f"student={ANNA}")
    file = archives(room)[-1]
    assert file.stat().st_mode & 0o777 == 0o600
    used = room.play("playbooks/restore.yml", "-e", f"archive={file}", "-e", f"student={BEN}", "--check")
    assert used.code == 0, used.output[-3000:]
    room.must("playbooks/reset.yml", "-e", f"student={ANNA}")
    assert routes(places) == {}
    room.must("playbooks/restore.yml", "-e", f"archive={file}")
    assert routes(places) == before
    assert json.loads(in_pod(places, "aleph", LIST))["devices"] == DEVICES
    again = room.must("playbooks/restore.yml", "-e", f"archive={file}")
    assert "changed=0" in again.output
    room.must("playbooks/verify.yml", "-e", f"student={ANNA}")


def refused(room: Room, *arguments: str) -> str:
    done = room.play("playbooks/restore.yml", *(word for each in arguments for word in ("-e", each)))
    assert done.code != 0
    return " ".join(done.output.split())


def cut(path: Path, directory: Path) -> Path:
    found = directory / "cut.tar.gz"
    found.write_bytes(path.read_bytes()[:-20])
    return found


def test_what_cannot_be_restored_is_refused_and_nothing_is_changed(room: Room, places: Hands, tmp_path: Path) -> None:
    room.must("playbooks/archive.yml", "-e", f"student={ANNA}")
    file = archives(room)[-1]
    in_pod(Hands(room, BEN), "beth", ADD, DEVICES[:1])
    before = routes(places), routes(Hands(room, BEN))
    cases: Sequence[tuple[Sequence[str], str]] = [
        ([], "archive is missing"),
        (["archive=/nowhere.tar.gz"], "There is no file /nowhere.tar.gz"),
        ([f"archive={cut(file, tmp_path)}"], "was cut"),
        ([f"archive={file}", "student=nobody"], "There is no student 'nobody'"),
        ([f"archive={file}", f"student={BEN}"], f"{BEN}'s place is in use (beth has 1 devices"),
    ]
    for arguments, sentence in cases:
        assert sentence in refused(room, *arguments)
    assert (routes(places), routes(Hands(room, BEN))) == before
