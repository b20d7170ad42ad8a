"""The room of the acceptance tests, and who looks at it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.acceptance.observer import Observer
from tests.acceptance.room import Room

ROOM = Room("acceptance", api_port=26443, registry_port=32300, front_port=30280, workers=1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of `pytest tests/acceptance`."""
    group = parser.getgroup("acceptance")
    group.addoption(
        "--room",
        metavar="NAME:API:REGISTRY:FRONT:WEBUI",
        help="use a room that is up (a control plane and a worker): its name and ports; it is left up",
    )
    group.addoption("--walk-steps", type=int, default=200, help="length of the random walk (200)")
    group.addoption("--walk-seed", type=int, default=13, help="which random walk (13)")
    group.addoption(
        "--walk-from", type=int, default=1, help="the first step that is taken: those before are only drawn (1)"
    )


@pytest.fixture(scope="session")
def room(request: pytest.FixtureRequest) -> Iterator[Room]:
    """A room with a control plane and a worker, in which the application runs."""
    given = request.config.getoption("--room")
    if given:
        name, *ports = given.split(":")
        api, registry, front, webui = map(int, ports)
        yield Room(name, api, registry, front, workers=1, webui_port=webui)
        return
    try:
        ROOM.must("site.yml")
        yield ROOM
    finally:
        ROOM.must("playbooks/teardown.yml")


@pytest.fixture(scope="session")
def observer(room: Room) -> Observer:
    """What the cluster itself says."""
    return Observer(room.state / "kubeconfig")


@pytest.fixture
def undo() -> Iterator[ExitStack]:
    """Takes back at a test's end, the last first, what it was told to."""
    with ExitStack() as stack:
        yield stack
