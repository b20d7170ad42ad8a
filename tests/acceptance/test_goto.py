"""From whatever was done to a place, `goto.yml` leads to a stage; another student's place does not notice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.acceptance.broken import BROKEN, Hands
from tests.acceptance.room import Room

ANNA, BEN = "many-01", "many-02"


@pytest.fixture(scope="module")
def places(room: Room) -> Iterator[Hands]:
    """Two places of students."""
    room.must("playbooks/class.yml", "-e", f"students={ANNA},{BEN}")
    yield Hands(room, ANNA)
    room.must("playbooks/remove.yml", "-e", f"student={ANNA},{BEN}")


def verdict(room: Room, student: str) -> Any:
    return json.loads((room.state / "students" / student / "stage.json").read_text())


def uids(room: Room, namespace: str) -> set[str]:
    listed = json.loads(room.kubectl("--namespace", namespace, "get", "pods", "--output=json"))["items"]
    return {str(item["metadata"]["uid"]) for item in listed}


@pytest.mark.parametrize("state", BROKEN)
def test_every_broken_state_is_left(room: Room, places: Hands, state: str) -> None:
    room.must("playbooks/goto.yml", "-e", f"student={ANNA}", "-e", "stage=baseline")
    neighbours = uids(room, BEN)
    BROKEN[state](places)
    done = room.must("playbooks/goto.yml", "-e", f"student={ANNA}", "-e", "stage=rollout", "-e", "weight=20")
    print(f"{state}: {done.seconds:.1f} s")
    told = verdict(room, ANNA)
    assert (told["verdict"], told["student"]) == ("proven", ANNA)
    stands = [(each["stage"], each["weight"], each["stable"]) for each in told["services"]]
    assert stands == [("rollout", 20, "0.1")] * 2
    assert uids(room, BEN) == neighbours
    room.must("playbooks/verify.yml", "-e", f"student={ANNA}")


def test_a_promotion_of_before_counts_no_more(room: Room, places: Hands) -> None:
    room.must("playbooks/promote.yml", "-e", f"student={ANNA}")
    done = room.must("playbooks/goto.yml", "-e", f"student={ANNA}", "-e", "stage=mirror")
    assert "ansible-playbook playbooks/mirror.yml" not in done.output
    assert verdict(room, ANNA)["services"][0]["candidate"] == "0.3"


def test_everybody_is_led_side_by_side_and_one_that_fails_hinders_no_other(room: Room, places: Hands) -> None:
    room.must("playbooks/goto.yml", "-e", "student=all", "-e", "stage=baseline")
    told = json.loads((room.state / "stages.json").read_text())
    assert {each["student"] for each in told["places"]} >= {ANNA, BEN}
    foreign = {"hosts": ["aleph"], "http": [{"route": [{"destination": {"host": "aleph"}}]}]}
    places.kubectl("delete", "virtualservice", "aleph")
    places.make("networking.istio.io/v1", "VirtualService", "mine", foreign)
    done = room.play("playbooks/dark_launch.yml", "-e", f"student={ANNA},{BEN}")
    assert done.code != 0
    assert "1 of 2 places failed." in done.output
    assert (verdict(room, ANNA)["verdict"], verdict(room, BEN)["verdict"]) == ("refused", "proven")


BAD = {
    "student=nobody": "There is no student 'nobody' in this room",
    "student=": "student is empty",
    f"student={ANNA},{ANNA}": "more than once",
    "student=all,many-01": "all stands alone",
    f"student=staging,{ANNA}": "are not worked on together",
}


@pytest.mark.parametrize("typed", BAD)
def test_what_cannot_be_meant_is_refused_in_a_sentence(room: Room, places: Hands, typed: str) -> None:
    before = room.objects()
    for playbook in ("playbooks/baseline.yml", "playbooks/status.yml", "playbooks/verify.yml"):
        done = room.play(playbook, "-e", typed)
        assert done.code != 0
        assert BAD[typed] in " ".join(done.output.split())
    assert room.objects() == before
