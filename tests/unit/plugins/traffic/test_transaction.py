"""A stage as a transaction: the exact order of what it does, and the end of each way in which it can go wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.unit.plugins.traffic.world import LOST_LEASE, World, described, raising

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.records import Record, read_record
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import Goal, virtual_service
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.verdict import (
    NOT_PROVEN,
    PROVEN,
    REFUSED,
    TAKEN_BACK,
)

NO_ANSWER = "The API server does not answer."


def goal(stage: str, weight: int | None = None, service: str = "aleph", candidate: str = "0.3") -> Goal:
    return Goal(service, "staging", stage, "0.1", candidate, weight)


BASELINE, HALF, PROMOTE, ROLLBACK = goal("baseline"), goal("rollout", 50), goal("promote"), goal("rollback")


def no_answer() -> Callable[[], None]:
    return raising(WorkshopError(NO_ANSWER))


def changes(world: World) -> list[str]:
    """What was written, deployed and removed."""
    return [
        event
        for event in world.events
        if event.split()[0] not in ("mark", "measure", "report", "held", "copies", "up", "drained")
    ]


FIRST_STAGE = [
    "mark",
    "deploy aleph-v03",
    "up aleph-v03",
    "subsets aleph v01,v03",
    "held subsets of aleph, v01,v03 answering",
    "trial-v03 of aleph",
    "held routes of aleph",
    "measure aleph for the trial",
    "held subsets of aleph, v01,v03 answering",
    "route aleph rollout 50, unproved",
    "held routes of aleph, v01,v03 answering, only v01,v03",
    "mark",
    "measure aleph for everybody",
    "report from 101, held 102.0",
    "route aleph rollout 50",
    "held routes of aleph",
    "held subsets of aleph, only v01,v03",
]
ORDERS: list[tuple[str, list[Goal], Goal, list[str]]] = [
    ("a new version gets users", [BASELINE], HALF, FIRST_STAGE),
    (
        "a version that has users already gets all of them, and the old one goes",
        [HALF],
        PROMOTE,
        [
            "mark",
            "held subsets of aleph, v03 answering",
            "held subsets of aleph, v03 answering",
            "route aleph promote, unproved",
            "held routes of aleph, v03 answering",
            "mark",
            "measure aleph for everybody",
            "report from 101, held 102.0",
            "route aleph promote",
            "held routes of aleph",
            "drained aleph v01",
            "remove aleph-v01",
            "subsets aleph v03",
            "held subsets of aleph, only v03",
        ],
    ),
    (
        "the version before a promotion is deployed, tried, and back",
        [PROMOTE],
        ROLLBACK,
        [
            "mark",
            "deploy aleph-v01",
            "up aleph-v01",
            "subsets aleph v01,v03",
            "held subsets of aleph, v01 answering",
            "trial-v01 of aleph",
            "held routes of aleph",
            "measure aleph for the trial",
            "held subsets of aleph, v01 answering",
            "route aleph baseline, unproved",
            "held routes of aleph, v01 answering",
            "mark",
            "measure aleph for everybody",
            "report from 101, held 102.0",
            "route aleph baseline",
            "held routes of aleph",
            "drained aleph v03",
            "remove aleph-v03",
            "subsets aleph v01",
            "held subsets of aleph, only v01",
        ],
    ),
    (
        "a mirrored version gets no trial, and its copies are counted",
        [BASELINE],
        goal("mirror"),
        [
            "mark",
            "deploy aleph-v03",
            "up aleph-v03",
            "subsets aleph v01,v03",
            "held subsets of aleph, v01,v03 answering",
            "held subsets of aleph, v01,v03 answering",
            "route aleph mirror, unproved",
            "held routes of aleph, v01,v03 answering, only v01,v03",
            "mark",
            "measure aleph for everybody",
            "copies to aleph v03",
            "report from 101, held 102.0",
            "route aleph mirror",
            "held routes of aleph",
            "held subsets of aleph, only v01,v03",
        ],
    ),
    (
        "what is reached is proved again, and nothing is written",
        [HALF],
        HALF,
        [
            "mark",
            "held subsets of aleph, v01,v03 answering",
            "held subsets of aleph, v01,v03 answering",
            "held routes of aleph, v01,v03 answering, only v01,v03",
            "mark",
            "measure aleph for everybody",
            "report from 101, held 102.0",
            "held routes of aleph",
            "held subsets of aleph, only v01,v03",
        ],
    ),
]


@pytest.mark.parametrize(("begins", "target", "events"), [row[1:] for row in ORDERS], ids=[row[0] for row in ORDERS])
def test_the_order_of_events(begins: list[Goal], target: Goal, events: list[str]) -> None:
    world = World(*begins)
    verdict = world.run(target)
    assert world.events == events
    assert (verdict.verdict, verdict.reasons) == (PROVEN, [])
    record = read_record(world.items["VirtualService staging/aleph"])
    assert record == target.record()
    assert sorted(world.deployments) == sorted(f"aleph-v{tag.replace('.', '')}" for tag in target.tags)
    # The second time there is nothing to do.
    world.events.clear()
    again = world.run(target)
    assert (again.verdict, again.reasons, again.changed, changes(world)) == (PROVEN, [], [], [])


def test_requests_are_kept_from_new_pods_where_no_routes_do_it() -> None:
    world = World(BASELINE)
    del world.items["VirtualService staging/aleph"]
    verdict = world.run(HALF)
    assert world.events == [
        "mark",
        "held subsets of aleph",
        "route aleph baseline",
        "held routes of aleph",
        *FIRST_STAGE[1:],
    ]
    assert verdict.did == [
        "kept all requests on the version that runs",
        "deployed aleph-v03",
        "tried aleph 0.3 with requests of the stage's own",
        "wrote the stage's routes",
    ]
    assert verdict.verdict == PROVEN


@dataclass(frozen=True)
class Mishap:
    """Something that goes wrong on the way to 50 % of a new version, and how that ends.

    Attributes:
        event: at which it happens, `happens`; and what is otherwise wrong from the beginning, `world`.
        ends: what is done from that event on.
        reasons, told, did: what a user reads: the beginnings of its sentences.
    """

    name: str
    verdict: str
    ends: list[str]
    reasons: list[str]
    told: list[str] = field(default_factory=list)
    did: list[str] = field(default_factory=list)
    event: str = ""
    happens: Callable[[], None] = no_answer()
    world: dict[str, Any] = field(default_factory=dict)
    begins: Goal = BASELINE
    target: Goal = HALF


DEPLOYED = "deployed aleph-v03"
TRIED = "tried aleph 0.3 with requests of the stage's own"
ROUTED = "wrote the stage's routes"
BACK = "wrote the routes of before again"
WITHOUT_USERS = (
    "aleph-v03 is there, without a user: the next stage of aleph removes it, kubectl --namespace=staging logs"
)
WAS = "Back where it was: aleph for everybody, 100 % to 0.1: honoured"
RETURN = ["route aleph baseline", "held routes of aleph", "measure aleph for everybody", "report from 101, held 102.0"]
MISHAPS = [
    Mishap("the load client is not there", REFUSED, ["mark"], [NO_ANSWER], event="mark"),
    Mishap(
        "the new version cannot be made",
        REFUSED,
        ["deploy aleph-v03"],
        [NO_ANSWER],
        event="deploy aleph-v03",
    ),
    Mishap(
        "the new version does not come up",
        REFUSED,
        ["up aleph-v03"],
        [NO_ANSWER],
        [WITHOUT_USERS],
        [DEPLOYED],
        event="up aleph-v03",
    ),
    Mishap(
        "the subsets are not taken",
        REFUSED,
        ["subsets aleph v01,v03"],
        [NO_ANSWER],
        [WITHOUT_USERS],
        [DEPLOYED],
        event="subsets aleph v01,v03",
    ),
    Mishap(
        "the proxies do not take the subsets",
        REFUSED,
        ["held subsets of aleph, v01,v03 answering"],
        [NO_ANSWER],
        [WITHOUT_USERS],
        [DEPLOYED],
        event="held subsets of aleph, v01,v03 answering",
    ),
    Mishap(
        "the trial's routes are not taken",
        REFUSED,
        ["trial-v03 of aleph", "held routes of aleph"],
        [NO_ANSWER],
        [WITHOUT_USERS],
        [DEPLOYED],
        event="trial-v03 of aleph",
    ),
    Mishap(
        "the trial cannot be measured",
        REFUSED,
        ["measure aleph for the trial", "route aleph baseline", "held routes of aleph"],
        [NO_ANSWER],
        [WITHOUT_USERS],
        [DEPLOYED, TRIED],
        event="measure aleph for the trial",
    ),
    Mishap(
        "the version fails its trial",
        REFUSED,
        ["measure aleph for the trial", "route aleph baseline", "held routes of aleph"],
        [
            "aleph 0.3 was refused before a user's request reached it: 459 of 459 requests on trial failed "
            "(status 500, it said so)."
        ],
        [WITHOUT_USERS],
        [DEPLOYED, TRIED],
        event="measure aleph for the trial",
        world={"broken": {"aleph 0.3"}},
    ),
    Mishap(
        "another version answers the trial",
        REFUSED,
        ["measure aleph for the trial", "route aleph baseline", "held routes of aleph"],
        ["aleph 0.3 was refused before a user's request reached it: aleph for the trial, 100 % to 0.3: not honoured"],
        [WITHOUT_USERS],
        [DEPLOYED, TRIED],
        event="measure aleph for the trial",
        world={"unreached": {"aleph 0.3"}},
    ),
    Mishap(
        "the stage's routes are not taken",
        TAKEN_BACK,
        [
            "route aleph rollout 50, unproved",
            "route aleph baseline",
            "held routes of aleph",
            "measure aleph for everybody",
            "report from 101, held None",
        ],
        [NO_ANSWER],
        [WAS],
        [DEPLOYED, TRIED, BACK],
        event="route aleph rollout 50, unproved",
    ),
    Mishap(
        "the stage's routes do not arrive",
        TAKEN_BACK,
        [FIRST_STAGE[10], *RETURN[:-1], "report from 101, held None"],
        [NO_ANSWER],
        [WAS],
        [DEPLOYED, TRIED, BACK],
        event=FIRST_STAGE[10],
    ),
    Mishap(
        "the load client goes while the routes are written",
        TAKEN_BACK,
        ["measure aleph for everybody", *RETURN],
        [NO_ANSWER],
        [WAS],
        [DEPLOYED, TRIED, ROUTED, BACK],
        event="measure aleph for everybody",
    ),
    Mishap(
        "what was lost cannot be asked",
        TAKEN_BACK,
        ["report from 101, held 102.0", *RETURN],
        [NO_ANSWER],
        [WAS],
        [DEPLOYED, TRIED, ROUTED, BACK],
        event="report from 101, held 102.0",
    ),
    Mishap(
        "requests were lost while the routes arrived",
        TAKEN_BACK,
        ["report from 101, held 102.0", *RETURN],
        ["3 of 100 requests to aleph failed: refused, no more is known."],
        [WAS],
        [DEPLOYED, TRIED, ROUTED, BACK],
        event="report from 101, held 102.0",
        world={"lost": {"aleph": {"during": 3}}},
    ),
    Mishap(
        "a request was lost afterwards",
        TAKEN_BACK,
        ["report from 101, held 102.0", *RETURN],
        ["1 of 100 requests to aleph failed: refused, no more is known."],
        [WAS],
        [DEPLOYED, TRIED, ROUTED, BACK],
        event="report from 101, held 102.0",
        world={"lost": {"aleph": {"after": 1}}},
    ),
    Mishap(
        "requests were failing before, and go on failing",
        TAKEN_BACK,
        ["report from 101, held 102.0", *RETURN],
        ["6 of 100 requests to aleph failed: refused, no more is known."],
        [WAS],
        [DEPLOYED, TRIED, ROUTED, BACK],
        event="report from 101, held 102.0",
        world={"lost": {"aleph": {"before": 9, "during": 4, "after": 2}}},
    ),
    Mishap(
        "the load client began anew",
        TAKEN_BACK,
        ["report from 101, held 102.0", *RETURN],
        ["Nothing is known of the requests meanwhile: the load client began anew while the stage changed."],
        [WAS],
        [DEPLOYED, TRIED, ROUTED, BACK],
        event="report from 101, held 102.0",
        world={"lost": None},
    ),
    Mishap(
        "the proof is not recorded",
        PROVEN,
        ["route aleph rollout 50"],
        [NO_ANSWER],
        ["The routes are proved, the rest is not done: the same command goes on with it."],
        [DEPLOYED, TRIED, ROUTED],
        event="route aleph rollout 50",
    ),
    Mishap(
        "a mirror's copies are missing",
        TAKEN_BACK,
        ["copies to aleph v03", "report from 101, held 102.0", *RETURN],
        ["aleph v03 received 7 copies of 459 requests: is the mirror in the callers' route"],
        [WAS],
        [DEPLOYED, ROUTED, BACK],
        event="copies to aleph v03",
        world={"copies": 7},
        target=goal("mirror"),
    ),
    Mishap(
        "the old version is not drained",
        PROVEN,
        ["drained aleph v01"],
        [NO_ANSWER],
        ["The routes are proved, the rest is not done: the same command goes on with it."],
        [ROUTED],
        event="drained aleph v01",
        begins=HALF,
        target=PROMOTE,
    ),
    Mishap(
        "the old version is not removed",
        PROVEN,
        ["remove aleph-v01"],
        [NO_ANSWER],
        ["The routes are proved, the rest is not done: the same command goes on with it."],
        [ROUTED],
        event="remove aleph-v01",
        begins=HALF,
        target=PROMOTE,
    ),
    Mishap(
        "a way back to the stable version is not taken back",
        NOT_PROVEN,
        ["report from 101, held 102.0"],
        ["1 of 100 requests to aleph failed"],
        [],
        [ROUTED],
        event="report from 101, held 102.0",
        world={"lost": {"aleph": {"after": 1}}},
        begins=HALF,
        target=ROLLBACK,
    ),
    Mishap(
        "a stage that is reached already has no routes of before",
        NOT_PROVEN,
        ["report from 101, held 102.0"],
        ["1 of 100 requests to aleph failed"],
        event="report from 101, held 102.0",
        world={"lost": {"aleph": {"after": 1}}},
        begins=HALF,
        target=HALF,
    ),
]


@pytest.mark.parametrize("mishap", MISHAPS, ids=lambda mishap: mishap.name)
def test_a_mishap(mishap: Mishap) -> None:
    world = World(mishap.begins)
    before = world.routes()
    for name, value in mishap.world.items():
        setattr(world, name, value)

    def once() -> None:
        del world.at[mishap.event]
        if not mishap.world:
            mishap.happens()

    world.at[mishap.event] = once
    verdict = world.run(mishap.target)
    first = world.events.index(mishap.event)
    # The trial's subsets are held, and later the stage's: of the same words the last one counts.
    assert world.events[first:] == mishap.ends or world.events[-len(mishap.ends) :] == mishap.ends
    assert verdict.verdict == mishap.verdict
    for said, expected in ((verdict.reasons, mishap.reasons), (verdict.told, mishap.told), (verdict.did, mishap.did)):
        assert len(said) == len(expected), said
        assert all(sentence.startswith(begin) for sentence, begin in zip(said, expected, strict=True)), said
    if mishap.verdict != PROVEN:
        assert not [event for event in world.events if event.startswith(("remove", "drained"))]
        assert not [event for event in world.events if event == described(virtual_service(mishap.target))]
    if mishap.verdict in (REFUSED, TAKEN_BACK):
        assert world.routes() == before
    # Whatever it was: the same command goes on, once that is mended.
    healthy = World(BASELINE)
    for name in mishap.world:
        setattr(world, name, getattr(healthy, name))
    world.run(mishap.target)
    again = world.run(mishap.target)
    assert (again.verdict, again.reasons, again.changed) == (PROVEN, [], [])
    assert sorted(world.deployments) == sorted(f"aleph-v{tag.replace('.', '')}" for tag in mishap.target.tags)
    assert read_record(world.items["VirtualService staging/aleph"]) == mishap.target.record()
