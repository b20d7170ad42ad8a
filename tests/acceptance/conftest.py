"""The room of the acceptance tests, and who looks at it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.acceptance.excuses import excuses_of, is_excused
from tests.acceptance.observer import Observer, Outages
from tests.acceptance.own_client import FRONT, OwnClient
from tests.acceptance.promise import begin
from tests.acceptance.room import Room

HOUR = 3600
ROOM = Room("acceptance", api_port=26443, registry_port=32300, front_port=30280, workers=1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of `pytest tests/acceptance`."""
    group = parser.getgroup("acceptance")
    group.addoption(
        "--room",
        metavar="NAME:API:REGISTRY:FRONT:WEBUI",
        help="use a room that is up: its name and ports; it is left up",
    )
    group.addoption("--walk-steps", type=int, default=200, help="length of the random walk (200)")
    group.addoption("--walk-seed", type=int, default=13, help="which random walk (13)")
    group.addoption(
        "--walk-from", type=int, default=1, help="the first step that is taken: those before are only drawn (1)"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """An hour for each test that says nothing else: the first one of a session makes the room."""
    for item in items:
        if Path(__file__).parent in item.path.parents and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(HOUR))


@pytest.fixture(scope="session")
def room(request: pytest.FixtureRequest) -> Iterator[Room]:
    """A room with a control plane and a worker, in which the application runs."""
    given = request.config.getoption("--room")
    if given:
        name, *ports = given.split(":")
        api, registry, front, webui = map(int, ports)
        worker = ["podman", "container", "exists", f"{name}-worker-1"]
        workers = int(subprocess.run(worker, check=False).returncode == 0)
        yield Room(name, api, registry, front, workers=workers, webui_port=webui)
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


@pytest.fixture
def own(room: Room, observer: Observer) -> Iterator[OwnClient]:
    """Users, eight requests a second, in the room at its baseline.

    That front's own pod is not ready for a moment on a machine that is too busy is not a stage's doing.
    """
    begin(room, observer)
    begun = time.time()
    with (
        Outages(observer.api) as outages,
        OwnClient(
            room.front_port, excused=lambda failure: is_excused(failure, excuses_of(outages, [FRONT], begun))
        ) as client,
    ):
        client.settle(8)
        yield client
