"""One room for all acceptance tests, up before the first and down after the last."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.acceptance.room import Room

ROOM = Room("acceptance", api_port=26443, registry_port=32300, front_port=30280, workers=1)


@pytest.fixture(scope="session")
def room() -> Iterator[Room]:
    """A room with a control plane and a worker, in which the application runs."""
    try:
        ROOM.must("site.yml")
        yield ROOM
    finally:
        ROOM.must("playbooks/teardown.yml")
