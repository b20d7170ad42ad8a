"""A room is brought back to its beginning, whatever was done in it."""

from __future__ import annotations

import json

from tests.acceptance.observer import SERVICES, Observer
from tests.acceptance.promise import Asked, played
from tests.acceptance.room import Room, wait_for

STAGING = "--namespace=staging"


def test_a_room_is_brought_back_to_its_beginning(room: Room, observer: Observer) -> None:
    """Stages, edits, somebody's things and the second application are gone; registry and mesh are as they were."""
    played(room, Asked("promote", "aleph"))
    room.kubectl("scale", STAGING, "deployment/front-v03", "--replicas=0")
    room.kubectl("create", STAGING, "configmap", "somebodys", "--from-literal=key=value")
    room.kubectl("delete", STAGING, "service", "beth")
    room.must("playbooks/dockercoins.yml")
    kept = {
        name: version for name, version in room.objects().items() if "/registry/" in name or "/istio-system/" in name
    }

    shown = room.must("playbooks/reset.yml", "--check")
    assert observer.record("aleph") is not None
    assert shown.changed > 0
    room.must("playbooks/reset.yml")

    names = json.loads(room.kubectl("get", "namespaces", "--output=json"))["items"]
    assert "dockercoins" not in {item["metadata"]["name"] for item in names}
    assert "somebodys" not in room.kubectl("get", STAGING, "configmaps", "--output=name")
    assert room.kubectl("get", STAGING, "virtualservices,destinationrules", "--output=name") == ""
    for service in SERVICES:
        assert set(observer.ready(service)) == {"v01"}, service
    wait_for(lambda: room.front("/backends"), 60)
    after = room.objects()
    assert {name: after.get(name) for name in kept} == kept
    # From here the workshop begins.
    room.must("playbooks/verify.yml")
    played(room, Asked("dark_launch"))
    played(room, Asked("baseline"))
