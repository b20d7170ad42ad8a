"""Rooms side by side, and a machine that is as it was when they are gone.

Says most when no other room is up: that is why it comes first.
"""

from __future__ import annotations

from tests.acceptance.host import Host
from tests.acceptance.room import Room

FIRST = Room("red", api_port=26451, registry_port=32311, front_port=30291)
SECOND = Room("blue", api_port=26452, registry_port=32312, front_port=30292)


def test_two_rooms_do_not_touch_each_other_and_leave_nothing() -> None:
    before = Host.look()
    try:
        FIRST.must("site.yml")
        SECOND.must("site.yml")
        generations = FIRST.generations()
        pods = FIRST.kubectl("get", "pods", "--all-namespaces", "--output=name")
        SECOND.must("playbooks/teardown.yml")
        assert FIRST.generations() == generations
        assert FIRST.kubectl("get", "pods", "--all-namespaces", "--output=name") == pods
        assert "0.1" in str(FIRST.front("/backends"))
        assert FIRST.must("site.yml").changed == 0
    finally:
        for room in (FIRST, SECOND):
            room.must("playbooks/teardown.yml")
    assert Host.look() == before
    assert FIRST.must("playbooks/teardown.yml").changed == 0
