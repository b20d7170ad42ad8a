"""A stage as a transaction: the exact order of what it does, and the end of each way in which it can go wrong."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from tests.unit.plugins.traffic.world import LOST_LEASE, FakeLoad, World, described, raising

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import stages
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.live import service_record
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.plan import plan
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.records import read_record
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import Goal, virtual_service
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.verdict import (
    NOT_PROVEN,
    PROVEN,
    REFUSED,
    TAKEN_BACK,
    UNFINISHED,
    Verdict,
)

NO_ANSWER = "The API server does not answer."


def goal(stage: str, weight: int | None = None, service: str = "aleph", candidate: str = "0.3") -> Goal:
    return Goal(service, "staging", stage, "0.1", candidate, weight)


BASELINE, HALF, PROMOTE, ROLLBACK = goal("baseline"), goal("rollout", 50), goal("promote"), goal("rollback")


def no_answer() -> None:
    raise WorkshopError(NO_ANSWER)


def kill_at(world: World, number: int) -> None:
    """End the run at its event of this number, as Ctrl-C would."""
    world.kill_at = number


def trial_routes(world: World) -> list[str]:
    routes = world.routes()["spec"]["http"]
    return [route["name"] for route in routes if route["name"].startswith("trial")]


def answers(world: World) -> None:
    """See that users' routes lead to versions that run, each with its subset."""
    if "VirtualService staging/aleph" not in world.items:
        return
    rule = world.items["DestinationRule staging/aleph"]
    named = {subset["name"] for subset in rule["spec"]["subsets"]}
    for route in world.routes()["spec"]["http"]:
        for each in route["route"]:
            subset = each["destination"]["subset"]
            assert subset in named, f"{subset} has no subset"
            assert f"aleph-{subset}" in world.deployments, f"{subset} does not run"


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
            "report from 101, held 102.0",
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
            "report from 101, held 102.0",
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
        UNFINISHED,
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
        UNFINISHED,
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
        UNFINISHED,
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
            no_answer()

    world.at[mishap.event] = once
    verdict = world.run(mishap.target)
    first = world.events.index(mishap.event)
    # The trial's subsets are held, and later the stage's: of the same words the last one counts.
    assert world.events[first:] == mishap.ends or world.events[-len(mishap.ends) :] == mishap.ends
    assert verdict.verdict == mishap.verdict
    for said, expected in ((verdict.reasons, mishap.reasons), (verdict.told, mishap.told), (verdict.did, mishap.did)):
        assert len(said) == len(expected), said
        assert all(sentence.startswith(begin) for sentence, begin in zip(said, expected, strict=True)), said
    if mishap.verdict != UNFINISHED:
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


@pytest.mark.parametrize("mishap", [mishap for mishap in MISHAPS if mishap.verdict == TAKEN_BACK], ids=lambda m: m.name)
def test_a_way_back_that_fails_is_told_and_is_gone_on_with(mishap: Mishap) -> None:
    world = World(mishap.begins)
    for name, value in mishap.world.items():
        setattr(world, name, value)
    if not mishap.world:
        world.at[mishap.event] = no_answer
    world.at["route aleph baseline"] = raising(WorkshopError("Nothing goes back."))
    verdict = world.run(mishap.target)
    assert verdict.verdict == NOT_PROVEN
    assert verdict.reasons[0].startswith(mishap.reasons[0])
    assert verdict.told == ["Going back did not succeed either: Nothing goes back."]
    assert "removed" not in str(verdict.did)
    healthy = World(BASELINE)
    for name in mishap.world:
        setattr(world, name, getattr(healthy, name))
    world.at.clear()
    verdict = world.run(ROLLBACK)
    assert (verdict.verdict, verdict.reasons) == (PROVEN, [])
    assert world.routes() == World(BASELINE).routes()


def taken_away_during_the_proof() -> World:
    """A world at half of each, in which somebody deletes the version that users would go back to."""
    world = World(HALF)
    world.broken = {"aleph 0.3"}

    def take_away() -> None:
        del world.at["measure aleph for everybody"]
        del world.deployments["aleph-v01"]

    world.at["measure aleph for everybody"] = take_away
    return world


def test_users_go_back_to_no_version_that_somebody_has_taken_away() -> None:
    world = taken_away_during_the_proof()
    verdict = world.run(PROMOTE)
    first = world.events.index("deploy aleph-v01")
    assert world.events[first:][:4] == [
        "deploy aleph-v01",
        "up aleph-v01",
        "held subsets of aleph, v01 answering",
        "route aleph rollout 50",
    ]
    assert verdict.verdict == TAKEN_BACK
    assert verdict.did[-2:] == ["brought back aleph-v01", BACK]
    answers(world)


@pytest.mark.parametrize("number", range(len(FIRST_STAGE) + 4))
@pytest.mark.parametrize(
    ("begins", "target"), [(BASELINE, HALF), (HALF, PROMOTE), (goal("mirror"), PROMOTE), (BASELINE, goal("mirror"))]
)
def test_a_version_that_somebody_deletes_in_the_middle_costs_no_more_than_a_second_run(
    begins: Goal, target: Goal, number: int
) -> None:
    world = World(begins)
    happen = world.happen

    def deleting(event: str) -> None:
        happen(event)
        if len(world.events) == number:
            world.deployments.pop("aleph-v01", None)
            world.lost = {"aleph": {"during": 3, "after": 1}}

    world.happen = deleting  # type: ignore[method-assign]
    verdict = world.run(target)
    if verdict.verdict == TAKEN_BACK:
        answers(world)
    world.happen, world.lost = happen, {}  # type: ignore[method-assign]
    assert world.run(target).verdict == PROVEN
    answers(world)


def test_users_stay_where_the_version_of_before_does_not_come_up() -> None:
    world = taken_away_during_the_proof()
    world.at["deploy aleph-v01"] = no_answer
    verdict = world.run(PROMOTE)
    assert verdict.verdict == NOT_PROVEN
    assert verdict.told == [f"Users stay where this stage has led them, for aleph-v01 does not run: {NO_ANSWER}"]
    answers(world)


def test_users_go_back_to_what_is_left_where_nothing_comes_up() -> None:
    world = taken_away_during_the_proof()

    def nothing_is_left() -> None:
        world.deployments.clear()
        no_answer()

    world.at["deploy aleph-v01"] = nothing_is_left
    assert world.run(PROMOTE).verdict == TAKEN_BACK


@pytest.mark.parametrize("event", FIRST_STAGE[:14])
def test_an_error_of_another_kind_ends_like_any_other(event: str) -> None:
    world = World(BASELINE)
    before = world.routes()
    failing = iter([KeyError("spec")])
    world.at[event] = lambda: raising(error)() if (error := next(failing, None)) else None
    verdict = world.run(HALF)
    reached = FIRST_STAGE.index(event) > FIRST_STAGE.index("measure aleph for the trial")
    assert verdict.verdict == (TAKEN_BACK if reached and event[-9:] != "answering" else verdict.verdict)
    assert verdict.verdict in (REFUSED, TAKEN_BACK)
    assert "traffic_stage met something that it does not know (KeyError: 'spec')" in verdict.reasons[0]
    assert world.routes() == before
    assert not [event for event in world.events if event.startswith("remove")]


DATA = {
    "name": "aleph",
    "versions": ["0.1"],
    "candidate": "0.3",
    "build": {"versions": [{"tag": tag} for tag in ("0.1", "0.2", "0.3")]},
}


def next_run(world: World, stage: str, weight: int | None = None) -> Verdict:
    """Type the next command: it begins from what is recorded."""
    record = service_record(DATA, "staging", world.live)
    return world.run(stages.goal(stage, DATA, "staging", record, weight=weight))


def events_of(begins: list[Goal], target: Goal) -> int:
    world = World(*begins)
    world.run(target)
    return len(world.events)


KILLED = [
    pytest.param(begins, target, number, id=f"{begins[0].stage if begins else 'nothing'}-{target.stage}-{number}")
    for begins, target in (
        ([], BASELINE),
        ([BASELINE], HALF),
        ([BASELINE], PROMOTE),
        ([HALF], goal("rollout", 100)),
        ([HALF], BASELINE),
        ([goal("mirror")], goal("dark_launch")),
        ([PROMOTE], BASELINE),
    )
    for number in range(events_of(begins, target))
]


@pytest.mark.parametrize("following", ["the same", "rollback"])
@pytest.mark.parametrize(("begins", "target", "number"), KILLED)
def test_one_that_is_killed_anywhere_is_gone_on_with_or_taken_back(
    begins: list[Goal], target: Goal, number: int, following: str
) -> None:
    world = World(*begins)
    world.kill_at = number
    with pytest.raises(KeyboardInterrupt):
        world.run(target)
    answers(world)
    world.kill_at = None
    back = following == "rollback" or target is BASELINE
    verdict = next_run(world, "rollback" if back else target.stage, target.weight)
    assert (verdict.verdict, verdict.reasons) == (PROVEN, [])
    answers(world)
    record = read_record(world.items["VirtualService staging/aleph"])
    assert record is not None
    assert record.proved
    assert trial_routes(world) == []
    if not back:
        assert record == target.record()


@pytest.mark.parametrize("number", range(FIRST_STAGE.index("mark", 1)))
def test_what_a_killed_trial_has_left_is_not_what_a_stage_goes_back_to(number: int) -> None:
    world = World(BASELINE)
    before = world.routes()
    world.kill_at = number
    with pytest.raises(KeyboardInterrupt):
        world.run(HALF)
    world.kill_at = None
    world.broken = {"aleph 0.3"}
    verdict = next_run(world, "rollout", 50)
    assert verdict.verdict in (REFUSED, TAKEN_BACK)
    assert trial_routes(world) == []
    assert world.routes() == before


LONG_WAYS = [([BASELINE], HALF), ([HALF], PROMOTE), ([PROMOTE], ROLLBACK), ([], BASELINE)]
LEASES = [
    pytest.param(begins, target, number, id=f"{target.stage}-{number}")
    for begins, target in LONG_WAYS
    for number in range(6)
]


@pytest.mark.parametrize(("begins", "target", "number"), LEASES)
def test_without_the_lease_nothing_more_is_written(begins: list[Goal], target: Goal, number: int) -> None:
    whole = World(*begins)
    whole.run(target)
    world = World(*begins)
    world.permitted_writes = number
    verdict = world.run(target)
    made = changes(world)
    # A write that is not permitted does not happen, and neither does any later one.
    assert made == changes(whole)[: len(made)]
    if number < len(changes(whole)):
        assert len(made) == number
        assert verdict.reasons == [LOST_LEASE]
        proved = "The routes are proved, the rest is not done: the same command goes on with it."
        assert verdict.told in ([proved], [f"Going back did not succeed either: {LOST_LEASE}"])
        assert (verdict.verdict == UNFINISHED) is (verdict.told == [proved])


def test_whoever_writes_in_the_middle_is_not_overwritten() -> None:
    """The routes are edited by somebody while the trial is measured."""
    world = World(BASELINE)

    def edit() -> None:
        item = world.items["VirtualService staging/aleph"]
        item = {**item, "spec": {**item["spec"], "hosts": ["aleph", "aleph.example"]}}
        world.put(item, "kubectl-edit")

    world.at["measure aleph for the trial"] = edit
    verdict = world.run(HALF)
    assert verdict.verdict == NOT_PROVEN
    assert "VirtualService staging/aleph was changed by somebody else just now" in verdict.reasons[0]
    assert "Going back did not succeed either" in verdict.told[0]
    assert world.routes()["spec"]["hosts"] == ["aleph", "aleph.example"]
    assert not [event for event in world.events if event.startswith("remove")]


@pytest.mark.parametrize(
    ("event", "end"),
    [
        ("measure aleph for the trial", REFUSED),
        (FIRST_STAGE[9], TAKEN_BACK),
        (FIRST_STAGE[10], PROVEN),
        ("report from 101, held 102.0", PROVEN),
    ],
)
def test_routes_that_somebody_deletes_in_the_middle_are_written_again(event: str, end: str) -> None:
    world = World(BASELINE)
    gone = iter([True])

    def delete() -> None:
        if next(gone, False):
            del world.items["VirtualService staging/aleph"]

    world.at[event] = delete
    verdict = world.run(HALF)
    assert verdict.verdict == end
    assert read_record(world.items["VirtualService staging/aleph"]) == (HALF if end == PROVEN else BASELINE).record()
    answers(world)


BETH = [replace(each, service="beth") for each in (BASELINE, HALF, PROMOTE)]


def test_of_two_services_one_fails_its_trial_and_both_stay() -> None:
    world = World(BASELINE, BETH[0])
    before = world.routes(), world.routes("beth")
    world.broken = {"beth 0.3"}
    verdict = world.run(HALF, BETH[1])
    assert verdict.verdict == REFUSED
    assert len(verdict.reasons) == 1
    assert verdict.reasons[0].startswith("beth 0.3 was refused before a user's request reached it")
    assert [sentence.split()[0] for sentence in verdict.told] == ["aleph-v03", "beth-v03"]
    assert (world.routes(), world.routes("beth")) == before
    assert [event for event in world.events if event.startswith("route")] == [
        "route aleph baseline",
        "route beth baseline",
    ]


def test_of_two_services_one_loses_requests_and_both_go_back() -> None:
    world = World(BASELINE, BETH[0])
    before = world.routes(), world.routes("beth")
    world.lost = {"beth": {"after": 2}}
    verdict = world.run(HALF, BETH[1])
    assert verdict.verdict == TAKEN_BACK
    assert verdict.reasons == ["2 of 100 requests to beth failed: refused, no more is known."]
    assert (world.routes(), world.routes("beth")) == before
    assert [sentence.split(",")[0] for sentence in verdict.told] == [
        "Back where it was: aleph for everybody",
        "Back where it was: beth for everybody",
    ]


def test_a_service_that_is_where_it_must_be_does_not_go_back() -> None:
    """All are asked for one half; beth has it already."""
    world = World(BASELINE, BETH[1])
    before = world.routes(), world.routes("beth")
    world.lost = {"aleph": {"after": 2}}
    verdict = world.run(HALF, BETH[1])
    assert verdict.verdict == TAKEN_BACK
    assert (world.routes(), world.routes("beth")) == before
    assert "beth" not in " ".join(verdict.told)
    assert not [event for event in world.events if event.startswith(("route beth", "subsets beth"))]


def test_what_another_service_loses_is_told_and_not_counted() -> None:
    world = World(BASELINE)
    world.lost = {"beth": {"during": 2}}
    verdict = world.run(HALF)
    assert (verdict.verdict, verdict.reasons, verdict.lost) == (PROVEN, [], 2)
    assert verdict.told == [
        "Of a service that is not this stage's, 2 of 100 requests to beth failed: refused, no more is known."
    ]


def test_a_way_out_of_an_outage_is_not_a_loss() -> None:
    world = World(HALF)
    world.lost = {"aleph": {"before": 20, "during": 10}}
    verdict = world.run(ROLLBACK)
    assert (verdict.verdict, verdict.reasons) == (PROVEN, [])
    assert verdict.told[0].startswith("Requests to aleph were failing before this change already (20 of the last 50)")


def test_where_nothing_is_sent_nothing_is_asked() -> None:
    world = World(BASELINE)
    world.targets = ()
    verdict = world.run(HALF)
    assert (verdict.verdict, verdict.reasons, verdict.load) == (PROVEN, [], None)
    assert verdict.told == ["No request was sent meanwhile: the load client's rate is 0."]
    assert not [event for event in world.events if event.startswith("report")]


def test_the_way_back_does_not_need_the_load_client() -> None:
    """Users go back; that it is not proven is said, and nothing is retired."""
    world = World(HALF)
    world.at["mark"] = world.at["measure aleph for everybody"] = no_answer
    verdict = world.run(ROLLBACK)
    assert world.events == [
        "mark",
        "held subsets of aleph, v01 answering",
        "held subsets of aleph, v01 answering",
        "route aleph baseline, unproved",
        "held routes of aleph, v01 answering",
        "measure aleph for everybody",
    ]
    assert (verdict.verdict, verdict.reasons) == (NOT_PROVEN, [NO_ANSWER])
    assert verdict.told == [f"The load client cannot be asked: {NO_ANSWER}"]
    assert sorted(world.deployments) == ["aleph-v01", "aleph-v03"]


def test_a_load_client_that_is_there_only_later_knows_nothing_of_the_way_back() -> None:
    world = World(HALF)
    world.at["mark"] = no_answer
    verdict = world.run(ROLLBACK)
    assert verdict.verdict == NOT_PROVEN
    assert verdict.reasons == ["Nothing is known of the requests meanwhile: no load client could be asked."]


FOREIGN: dict[str, Any] = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "VirtualService",
    "metadata": {"name": "mine", "namespace": "staging"},
    "spec": {"hosts": ["aleph", "other"], "http": [{"route": [{"destination": {"host": "elsewhere"}}]}]},
}


@pytest.mark.parametrize("running", [False, True], ids=["new", "there already"])
@pytest.mark.parametrize("hosts", [["aleph", "other"], ["aleph"]])
def test_what_governs_is_taken_over_first(hosts: list[str], running: bool) -> None:
    """Else the proxies would hold neither the stage's trial nor its routes."""
    world = World(BASELINE)
    world.put({**FOREIGN, "spec": {**FOREIGN["spec"], "hosts": hosts}}, "kubectl")
    if running:
        world.deploy("aleph", "0.3")
    verdict = world.run(HALF, takeover=True)
    assert (verdict.verdict, verdict.reasons) == (PROVEN, [])
    taken = "route VirtualService staging/mine of somebody" if len(hosts) == 2 else "delete VirtualService staging/mine"
    assert [event for event in changes(world) if not event.startswith("subsets")] == [
        taken,
        *([] if running else ["deploy aleph-v03"]),
        "trial-v03 of aleph",
        "route aleph rollout 50, unproved",
        "route aleph rollout 50",
    ]
    if len(hosts) == 2:
        assert world.items["VirtualService staging/mine"]["spec"]["hosts"] == ["other"]


@pytest.mark.parametrize("hosts", [["aleph", "other"], ["aleph"]])
def test_what_is_taken_over_comes_back_when_the_proof_fails(hosts: list[str]) -> None:
    world = World(BASELINE)
    theirs = {**FOREIGN, "spec": {**FOREIGN["spec"], "hosts": hosts}}
    world.put(theirs, "kubectl")
    world.lost = {"aleph": {"after": 1}}
    verdict = world.run(HALF, takeover=True)
    assert verdict.verdict == TAKEN_BACK
    assert world.items["VirtualService staging/mine"]["spec"] == theirs["spec"]
    assert "wrote VirtualService staging/mine again" in verdict.did


@pytest.mark.parametrize("broken", ["aleph 0.3", ""], ids=["on trial", "before"])
def test_what_is_taken_over_comes_back_when_a_version_is_refused(broken: str) -> None:
    world = World(BASELINE)
    theirs = {**FOREIGN, "spec": {**FOREIGN["spec"], "hosts": ["aleph"]}}
    world.put(theirs, "kubectl")
    world.broken = {broken}
    if not broken:
        world.at["up aleph-v03"] = no_answer
    verdict = world.run(HALF, takeover=True)
    assert verdict.verdict == REFUSED
    assert world.items["VirtualService staging/mine"]["spec"] == theirs["spec"]
    assert "wrote VirtualService staging/mine again" in verdict.did


def test_what_is_taken_over_and_has_a_services_name_becomes_that_services() -> None:
    """Somebody has put both hosts into one VirtualService, that of beth."""
    world = World(BASELINE, BETH[0])
    spec = world.items["VirtualService staging/beth"]["spec"]
    world.put({**world.items["VirtualService staging/beth"], "spec": {**spec, "hosts": ["beth", "aleph"]}}, "kubectl")
    verdict = world.run(HALF, BETH[1], takeover=True)
    assert (verdict.verdict, verdict.reasons) == (PROVEN, [])
    assert world.routes("beth")["spec"] == virtual_service(BETH[1])["spec"]
    assert world.routes()["spec"] == virtual_service(HALF)["spec"]


def test_check_mode_writes_nothing_and_counts_what_it_would_change() -> None:
    world = World(BASELINE)
    transaction = world.transaction(world.plan(HALF), check_mode=True)
    transaction.rehearse()
    assert [event for event in world.events if not event.startswith("deploy")] == []
    assert transaction.verdict.changed == [
        "Deployment staging/aleph-v03",
        "DestinationRule staging/aleph",
        "VirtualService staging/aleph",
    ]


def test_a_stable_version_that_nobody_answers_for_is_brought_back_first() -> None:
    """Case 1: it was scaled to 0; requests go to what answers until it is up, tried and proved."""
    world = World(HALF)
    world.deploy("aleph", "0.1", ready=0)
    verdict = world.run(ROLLBACK)
    assert (verdict.verdict, verdict.reasons) == (PROVEN, [])
    assert changes(world) == [
        "deploy aleph-v01",
        "trial-v01 of aleph",
        "route aleph baseline, unproved",
        "route aleph baseline",
        "remove aleph-v03",
        "subsets aleph v01",
    ]


@pytest.mark.parametrize(
    ("lost", "reason"),
    [
        ({"aleph": {"after": 2}}, "2 of 100 requests to aleph failed: refused, no more is known."),
        (None, "Nothing is known of the requests meanwhile: the load client began anew while the stage changed."),
    ],
    ids=["lost", "unknown"],
)
def test_what_was_lost_while_the_old_version_was_removed_is_no_proof(
    lost: dict[str, dict[str, int]] | None, reason: str
) -> None:
    world = World(HALF)
    world.at["remove aleph-v01"] = lambda: setattr(world, "lost", lost)
    verdict = world.run(PROMOTE)
    assert (verdict.verdict, verdict.reasons) == (NOT_PROVEN, [reason])
    assert verdict.told[-1] == "The stage's routes stay: the version of before is gone."
    assert world.routes()["spec"] == virtual_service(PROMOTE)["spec"]
    assert sorted(world.deployments) == ["aleph-v03"]


@pytest.mark.parametrize(
    ("name", "end"), [("the trial", REFUSED), ("everybody", TAKEN_BACK)], ids=["on trial", "afterwards"]
)
def test_a_single_failed_request_speaks_against_a_split_that_is_honoured(
    monkeypatch: pytest.MonkeyPatch, name: str, end: str
) -> None:
    measured = FakeLoad._measured

    def one_fails(load: FakeLoad, check: Any) -> dict[str, Any]:
        failures = [{"error": "", "status": 500, "explanation": "it said so"}]
        worse = {"failed": 1, "failures": failures} if check.name == name and check.expect != {"0.1": 100} else {}
        return measured(load, check) | worse

    monkeypatch.setattr(FakeLoad, "_measured", one_fails)
    world = World(BASELINE)
    assert world.run(HALF).verdict == end
    assert world.routes() == World(BASELINE).routes()


def test_nothing_is_deleted_without_the_lease() -> None:
    world = World(BASELINE)
    world.put({**FOREIGN, "spec": {**FOREIGN["spec"], "hosts": ["aleph"]}}, "kubectl")
    world.at["mark"] = lambda: setattr(world, "permitted_writes", 0)
    verdict = world.run(HALF, takeover=True)
    assert verdict.reasons == [LOST_LEASE]
    assert "VirtualService staging/mine" in world.items


def test_a_subset_that_carries_requests_stays_until_the_routes_are_written() -> None:
    """Users are on a version whose Deployment is nobody's of ours, so that it is no version of the plan."""
    world = World(goal("rollout", 50, candidate="0.2"))
    del world.deployments["aleph-v02"]["metadata"]["labels"]["app.kubernetes.io/managed-by"]
    del world.deployments["aleph-v02"]["metadata"]["labels"]["version"]
    planned = plan([goal("rollout", 50)], world.live, False)
    assert [subset["name"] for subset in planned.services[0].prepare["spec"]["subsets"]] == ["v01", "v02", "v03"]
    assert [subset["name"] for subset in planned.services[0].finish["spec"]["subsets"]] == ["v01", "v03"]
