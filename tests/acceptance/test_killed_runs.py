"""A run that is killed half-way can be started again, and converges."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.acceptance.room import Room

ROOM = Room("killed", api_port=26461, registry_port=32321, front_port=30321)


def test_a_killed_bundle_goes_on_with_the_first_missing_part(tmp_path: Path) -> None:
    arguments = ("-e", f"workshop_cache_dir={tmp_path}/cache")
    try:
        ROOM.kill_when("playbooks/bundle.yml", "debian network-tools bookworm: ", 2, *arguments)
        parts = {path.name: path.stat().st_ino for path in (tmp_path / "cache/parts").iterdir()}
        ROOM.kill_when("playbooks/bundle.yml", "debian registry bookworm: ", 0, *arguments)
    finally:
        # Else the room remembers this cache.
        ROOM.must("playbooks/teardown.yml")
    again = {path.name: path.stat().st_ino for path in (tmp_path / "cache/parts").iterdir()}
    assert parts.items() <= again.items(), "what was built is not built again"
    assert len(again) > len(parts)


# What site.yml prints, in this order, and the seconds after it that the run is killed.
MOMENTS = [
    ("Preload the bundle's images]", 0.0),
    ("Commit | Make the image]", 0.5),
    ("Run kubeadm init]", 4.0),
    ("Add-ons | Apply CoreDNS", 1.0),
    ("Apply the registry]", 1.0),
    ("Push what the registry lacks", 1.0),
    ("Build what the registry lacks", 8.0),
    ("Run istioctl install]", 3.0),
    ("Own | Note which mesh it is]", 0.5),
    ("Apply the application]", 1.0),
]


@pytest.mark.timeout(2 * 3600)
def test_a_run_that_is_killed_at_every_step_converges() -> None:
    # A subnet of its own makes a node image of its own, whatever other rooms have.
    subnet = ("-e", "workshop_pod_subnet=10.245.0.0/16")
    try:
        for line, delay in MOMENTS:
            ROOM.kill_when("site.yml", line, delay, *subnet)
        ROOM.must("site.yml", *subnet)
        assert "0.1" in str(ROOM.front("/backends"))
        assert ROOM.must("site.yml", *subnet).changed == 0
    finally:
        ROOM.must("playbooks/teardown.yml")
