"""A stage from what was typed to a verdict: who is let in, what is refused before anything is written, what is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.unit.plugins.traffic.conftest import SERVICES
from tests.unit.plugins.traffic.test_transaction import BASELINE, BETH, HALF, PROMOTE, changes
from tests.unit.plugins.traffic.world import (
    LOST_LEASE,
    FakeLoad,
    FakeMirrors,
    FakeObjects,
    FakeProxies,
    FakeVersions,
    World,
)

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import command as module
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.command import (
    Asked,
    Command,
    Surroundings,
    shown,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.proxies import ProxyError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.records import Record, read_record
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.verdict import (
    NOT_PROVEN,
    PROVEN,
    REFUSED,
    TAKEN_BACK,
)

STATUS = "ansible-playbook playbooks/status.yml"


class Desk:
    """Where somebody types a stage, in front of a world."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = World(BASELINE, BETH[0])
        self.refused: WorkshopError | None = None
        self.blind: Exception | None = None
        desk = self

        class Api:
            def items(self, path: str, **_: str) -> list[dict[str, Any]]:
                return list(desk.world.deployments.values()) if path.endswith("deployments") else []

        class Lease:
            def __init__(self, api: Any, namespace: str, holder: Any, *_: Any) -> None:
                desk.doing = holder.doing

            @contextmanager
            def held(self) -> Iterator[None]:
                if desk.refused:
                    raise desk.refused
                desk.world.events.append("lease taken")
                yield
                desk.world.events.append("lease given back")

            def check(self) -> None:
                desk.world.permitted()

        class Proxies(FakeProxies):
            silent: Mapping[str, str] = {}

            def views(self, _: Sequence[Any]) -> dict[str, Any]:
                if desk.blind:
                    raise desk.blind
                return {}

        class Versions(FakeVersions):
            def differing(self) -> list[str]:
                return []

        self.doing = ""
        self.api: Any = Api()
        monkeypatch.setattr(module, "Objects", lambda *_: FakeObjects(desk.world))
        monkeypatch.setattr(module, "Proxies", lambda *_: Proxies(desk.world))
        monkeypatch.setattr(module, "LoadClient", lambda *_: FakeLoad(desk.world))
        monkeypatch.setattr(module, "Mirrors", lambda *_: FakeMirrors(desk.world))
        monkeypatch.setattr(module, "Versions", lambda *_, **__: Versions(desk.world))
        monkeypatch.setattr(module, "Lease", Lease)

    def type(self, stage: str, check_mode: bool = False, student: str = "", **asked: Any) -> dict[str, Any]:
        registry: Any = None
        where = Surroundings(
            *(self.api, self.api, "staging", SERVICES, [], registry, Path("/nowhere"), 60, "blue", check_mode, print),
            student=student,
        )
        self.world.events.clear()
        return Command(Asked(stage, **asked), where).run()


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(monkeypatch)


def test_the_lease_is_held_around_everything_that_is_written(desk: Desk) -> None:
    data = desk.type("rollout", service="aleph", weight=50)
    assert (data["verdict"], data["reasons"]) == (PROVEN, [])
    assert (desk.world.events[0], desk.world.events[-1]) == ("lease taken", "lease given back")
    # To begin one with the load client costs as much as a hundred requests.
    assert [event for event in desk.world.events if "dialogue" in event] == ["dialogue", "end of dialogue"]
    assert desk.doing == "rollout of aleph"
    assert data["next"] == "ansible-playbook rollout.yml -e weight=60 -e service=aleph"
    # What was not named is not touched.
    assert not [event for event in changes(desk.world) if "beth" in event]


def test_the_verdict_is_data(desk: Desk) -> None:
    data = desk.type("rollout", service="aleph", weight=50)
    assert list(data) == [
        "schema",
        "stage",
        "student",
        "namespace",
        "verdict",
        "reasons",
        "told",
        "did",
        "services",
        "trial",
        "checks",
        "copies",
        "requests",
        "lost",
        "exposed_seconds",
        "proxies",
        "propagation_ms",
        "objects",
        "next",
    ]
    assert data["schema"] == "istio-workshop/stage/1"
    assert (data["stage"], data["namespace"], data["lost"]) == ("rollout", "staging", 0)
    assert [service["service"] for service in data["services"]] == ["aleph"]
    assert data["proxies"] == {"front-1": 0.1}
    assert data["propagation_ms"] == 100
    assert set(data["requests"]) == {"aleph", "beth"}
    assert data["objects"] == [
        "Deployment staging/aleph-v03",
        "DestinationRule staging/aleph",
        "VirtualService staging/aleph",
    ]


def test_who_is_not_let_in_writes_nothing(desk: Desk) -> None:
    desk.refused = WorkshopError("ann has been at the promote of aleph.")
    data = desk.type("rollout", service="aleph", weight=50)
    assert (data["verdict"], data["reasons"], data["did"]) == (REFUSED, ["ann has been at the promote of aleph."], [])
    assert desk.world.events == []


def test_every_service_that_a_stage_makes_no_sense_for_is_named(desk: Desk) -> None:
    desk.world = World(PROMOTE, BETH[2])
    data = desk.type("rollout", weight=50)
    assert data["verdict"] == REFUSED
    assert [reason.split(",")[0] for reason in data["reasons"]] == [
        "0.3 is the stable version of aleph already",
        "0.3 is the stable version of beth already",
    ]
    assert changes(desk.world) == ["lease taken", "lease given back"]


def test_what_is_somebody_elses_is_refused_before_anything_is_written(desk: Desk) -> None:
    item = desk.world.items["VirtualService staging/aleph"]
    desk.world.put({**item, "spec": {**item["spec"], "hosts": ["aleph", "more"]}}, "kubectl-edit")
    data = desk.type("rollout", service="aleph", weight=50)
    assert data["verdict"] == REFUSED
    assert data["reasons"][0].startswith("VirtualService staging/aleph was changed by kubectl-edit: undo that, or type")
    assert changes(desk.world) == ["lease taken", "lease given back"]


def test_check_mode_needs_no_lease_and_writes_nothing(desk: Desk) -> None:
    desk.world.permitted_writes = 0
    desk.refused = WorkshopError("ann is at it.")
    data = desk.type("rollout", service="aleph", weight=50, check_mode=True)
    assert (data["verdict"], data["reasons"]) == (PROVEN, [])
    assert data["told"] == ["Nothing was changed and nothing proved: this is check mode."]
    assert data["objects"][1:] == ["DestinationRule staging/aleph", "VirtualService staging/aleph"]


@pytest.mark.parametrize(
    ("mishap", "verdict", "command"),
    [
        ({"lost": {"aleph": {"after": 2}}}, TAKEN_BACK, f"{STATUS} -e service=aleph"),
        ({"permitted_writes": 3}, NOT_PROVEN, f"{STATUS} -e service=aleph"),
        ({"broken": {"aleph 0.3"}}, REFUSED, ""),
        ({}, PROVEN, "ansible-playbook rollout.yml -e weight=60 -e service=aleph"),
    ],
)
def test_what_comes_next(desk: Desk, mishap: dict[str, Any], verdict: str, command: str) -> None:
    for name, value in mishap.items():
        setattr(desk.world, name, value)
    data = desk.type("rollout", service="aleph", weight=50)
    assert (data["verdict"], data["next"]) == (verdict, command)
    lines = shown(data)
    assert (f"Next: {command}" in lines) is bool(command)
    if verdict == PROVEN:
        assert not [line for line in lines if line.startswith("Rollout:")]
    else:
        at = lines.index(f"Rollout: {verdict}.")
        assert lines[at + 1 : at + 1 + len(data["reasons"])] == data["reasons"]
        assert f"Done: {'; '.join(data['did'])}." in lines
    assert all(line in lines for line in data["told"])
    if verdict == TAKEN_BACK:
        assert "2 of the load client's requests failed" in "\n".join(lines)
    if "permitted_writes" in mishap:
        assert data["reasons"] == [LOST_LEASE]


def test_proxies_that_cannot_be_asked_at_the_end_are_named_beside_what_is_configured(desk: Desk) -> None:
    desk.blind = ProxyError("No calling proxy can be asked.")
    data = desk.type("rollout", service="aleph", weight=50)
    assert data["verdict"] == PROVEN
    (aleph,) = data["services"]
    assert aleph["silent"] == ["No calling proxy can be asked."]
    assert [version["configured"] for version in aleph["versions"]] == [50, 50]
    assert [version["arrives"] for version in aleph["versions"]] == [{}, {}]


def test_a_verdict_does_not_depend_on_seeing_where_the_services_stand(desk: Desk) -> None:
    desk.blind = KeyError("spec")
    said = "traffic_stage met something that it does not know (KeyError: 'spec')"
    data = desk.type("rollout", service="aleph", weight=50)
    assert (data["verdict"], data["services"]) == (PROVEN, [])
    assert data["told"][0].startswith(f"Where the services stand cannot be seen: {said}")
    assert data["next"] == f"{STATUS} -e service=aleph"
    assert shown(data)[0] == ""


def test_the_next_stage_begins_from_the_record(desk: Desk) -> None:
    """After a promotion the promoted version is the stable one, and a rollback leads to the one before."""
    desk.world = World(HALF)
    assert desk.type("promote", service="aleph")["verdict"] == PROVEN
    assert desk.type("rollout", service="aleph", weight=20, version="0.2")["verdict"] == PROVEN
    assert sorted(desk.world.deployments) == ["aleph-v02", "aleph-v03"]
    assert desk.type("rollback", service="aleph")["verdict"] == PROVEN
    assert sorted(desk.world.deployments) == ["aleph-v03"]


def test_a_student_s_place_is_named_in_every_command_and_nowhere_else(desk: Desk) -> None:
    own = desk.type("rollout", service="aleph", weight=50)
    desk.world = World(BASELINE, BETH[0])
    data = desk.type("rollout", student="anna", service="aleph", weight=50)
    assert (own["student"], data["student"]) == ("", "anna")
    assert "student" not in own["next"]
    assert data["next"] == "ansible-playbook rollout.yml -e student=anna -e weight=60 -e service=aleph"
    desk.world = World(PROMOTE, BETH[2])
    refused = desk.type("rollout", student="anna", weight=50)
    assert all("-e student=anna" in reason for reason in refused["reasons"])


def test_a_stage_of_a_first_walk_counts_no_promotion(desk: Desk) -> None:
    desk.world = World(PROMOTE, BETH[2])
    data = desk.type("rollout", anew=True, weight=50)
    assert data["verdict"] == PROVEN, data["reasons"]
    assert [(each["stable"], each["candidate"], each["weight"]) for each in data["services"]] == [
        ("0.1", "0.3", 50)
    ] * 2


def test_what_was_written_down_elsewhere_is_taken_as_it_was(desk: Desk) -> None:
    records = {
        "aleph": Record("rollout", "0.3", "0.1", ("0.1",), 20),
        "beth": Record("promote", "0.3", None, ("0.1",)),
    }
    data = desk.type("restore", records=records)
    assert data["verdict"] == PROVEN, data["reasons"]
    assert {item["metadata"]["name"]: read_record(item) for item in desk.world.live.virtual_services} == records
