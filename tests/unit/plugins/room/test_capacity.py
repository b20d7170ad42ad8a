"""What fits is the least of what each resource has room for, in whole pods of one pool each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml

from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import capacity
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.capacity import Cost, Means, Pool
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.names import role_options
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.measuring import Machine, without_room

ROOT = Path(__file__).resolve().parents[4]
CLASS = (ROOT / "docs/class.md").read_text()
SETTINGS = [yaml.safe_load(path.read_text()) for path in (ROOT / "roles/room/defaults/main").glob("*.yml")]
KNOWN = {*role_options(ROOT / "roles"), *(name for each in SETTINGS for name in each)}

PLACE = Cost(pods=5, at_work=7, memory=50, cpu=4, inotify=3, threads=100, disk=10)
# What ten places take of each, at work.
TEN: dict[str, float] = {
    "memory": 3500,
    "cpu": 280,
    "pods": 70,
    "addresses": 70,
    "inotify": 210,
    "threads": 7000,
    "disk": 700,
    "policies": 50,
}


def people(number: int) -> list[str]:
    return [f"student-{each + 1:02d}" for each in range(number)]


def means(pools: Mapping[str, Sequence[Pool]], there: Sequence[str] = ()) -> Means:
    return Means(pools, there)


def roomy(**other: Sequence[Pool]) -> Means:
    return means({**{name: [Pool(10 * amount)] for name, amount in TEN.items()}, **other})


@pytest.mark.parametrize("resource", TEN)
def test_each_resource_limits_alone_and_says_what_to_change(resource: str) -> None:
    enough = capacity.plan(people(10), PLACE, roomy(**{resource: [Pool(TEN[resource])]}))
    assert (enough["fits"], enough["limit"], enough["problems"]) == (10, resource, [])
    assert capacity.refusal(enough) == ""
    short = capacity.plan(people(10), PLACE, roomy(**{resource: [Pool(TEN[resource] * 0.99)]}))
    assert (short["fits"], short["limit"]) == (9, resource)
    (problem,) = short["problems"]
    assert capacity.RESOURCES[resource].title in problem
    assert capacity.RESOURCES[resource].cure in problem
    assert capacity.refusal(short).startswith("10 students do not fit, there is room for 9: nothing was changed.")


@pytest.mark.parametrize(
    ("pools", "fits"),
    [
        pytest.param([Pool(70)], 10, id="one"),
        pytest.param([Pool(70, 7)], 9, id="some is taken"),
        pytest.param([Pool(35), Pool(35)], 10, id="two nodes: a place may be on both"),
        pytest.param([Pool(34.9), Pool(34.9)], 9, id="no pod is on two nodes"),
        pytest.param([Pool(6)], 0, id="less than a place"),
        pytest.param([Pool(10, 20)], 0, id="more is taken than there is"),
    ],
)
def test_pods_are_whole_and_on_one_node_each(pools: Sequence[Pool], fits: int) -> None:
    assert capacity.plan(people(3), PLACE, means({"pods": pools}))["fits"] == fits


def test_who_has_a_place_is_not_counted_again() -> None:
    planned = capacity.plan(people(10), PLACE, means({"pods": [Pool(100, 58)]}, people(4)))
    assert (planned["there"], planned["fits"], planned["problems"]) == (4, 10, [])
    # Others' places are there, too.
    others = capacity.plan(people(10), PLACE, means({"pods": [Pool(100, 58)]}, ["anna", "ben"]))
    assert others["fits"] == 8
    assert others["resources"][0]["short"] == 4


def test_a_slow_processor_refuses_nobody() -> None:
    planned = capacity.plan(people(10), PLACE, roomy(processor=[Pool(2000, 1900)]), requests=2)
    assert planned["problems"] == []
    assert planned["fits"] == 100
    assert "slow" in planned["warnings"][0]


def test_what_was_not_looked_at_is_not_judged() -> None:
    planned = capacity.plan(people(10), PLACE, means({"memory": [], "pods": [Pool(700)]}))
    assert [row["resource"] for row in planned["resources"]] == ["pods"]
    assert capacity.plan(people(1), PLACE, means({}))["fits"] is None


def test_people_see_the_limit() -> None:
    lines = "\n".join(capacity.table(capacity.plan(people(10), PLACE, roomy(threads=[Pool(3600)]))))
    assert "10 students do not fit: there is room for 5, limited by threads" in lines
    assert "too little" in lines


def test_people_see_what_a_node_that_dies_takes() -> None:
    """Half of the places are a node's, those that are there and those to come."""
    planned = capacity.plan(people(4), PLACE, means({"pods": [Pool(100), Pool(100)]}, ["anna"]))
    assert (planned["nodes"], planned["places_of_a_node"]) == (2, 3)
    assert "Places are spread over 2 nodes: one that dies takes up to 3 of them." in capacity.table(planned)


def test_what_costs_nothing_limits_nobody() -> None:
    planned = capacity.plan(people(10), Cost(pods=5, at_work=7, memory=50, cpu=0), roomy())
    assert planned["problems"] == []
    assert "cpu" not in [row["resource"] for row in planned["resources"]]


@pytest.mark.parametrize(
    ("threads", "disk", "kept"),
    [
        pytest.param(10240, 6000, {"threads": 9540, "disk": 5930}, id="a full place, without what it has anyway"),
        pytest.param(700, 70, {"threads": 0, "disk": 0}, id="no more than at work"),
        pytest.param(200, 20, {"threads": 0, "disk": 0}, id="less than at work"),
        pytest.param(0, 0, {"threads": 0, "disk": 0}, id="nobody limits a place"),
    ],
)
def test_what_one_can_get_who_takes_all_is_kept_back(threads: float, disk: float, kept: dict[str, float]) -> None:
    assert PLACE.runaway(threads, disk) == kept
    pools = {"threads": [Pool(20000), Pool(20000, 5000)], "disk": [Pool(9000)], "pods": [Pool(700)]}
    left = capacity.keeping_back(means(pools, ["anna"]), kept)
    assert [pool.free for pool in left.pools["threads"]] == [20000 - kept["threads"], 15000 - kept["threads"]]
    assert [pool.free for pool in left.pools["disk"]] == [9000 - kept["disk"]]
    assert (left.pools["pods"], left.there) == ([Pool(700)], ["anna"])
    assert capacity.keeping_back(means({"pods": [Pool(700)]}), kept).pools == {"pods": [Pool(700)]}


def test_thirty_students_and_a_runaway_fit_into_what_a_room_raises_its_machine_to() -> None:
    """A kernel's own default has threads for fewer, and for thirty without the runaway."""
    cost = Cost()
    for most, fits in ((32768, 23), (131072, 130)):
        there = capacity.keeping_back(means({"threads": [Pool(most, 1500)]}), cost.runaway(20 * 512, 0))
        assert capacity.plan(people(30), cost, there)["fits"] == fits


@pytest.mark.parametrize("room", range(12), ids="room for {} at work".format)
@pytest.mark.parametrize("there", range(6), ids="{} there".format)
def test_who_joins_later_is_judged_as_a_class_of_so_many(room: int, there: int) -> None:
    """Whoever is there has fewer pods than at work: what these lack is nobody else's."""
    for resource, amount in TEN.items():
        at_once = capacity.plan(people(there + 1), PLACE, means({resource: [Pool(amount / 10 * room)]}))
        now = amount / 10 * (1 if resource == "policies" else PLACE.pods / PLACE.at_work) * min(there, room)
        left = Means({resource: [Pool(amount / 10 * room, now)]}, people(min(there, room)), 2 * min(there, room))
        later = capacity.plan(["zoe"], PLACE, left)
        if there <= room:
            assert (later["more"], later["problems"] == []) == (1, at_once["problems"] == []), resource
            assert later["fits"] == at_once["fits"], resource


def test_a_late_joiner_who_does_not_fit_is_told_beside_whom() -> None:
    said = capacity.refusal(capacity.plan(["zoe"], PLACE, Means({"pods": [Pool(160, 110)]}, people(22), 44)))
    assert said == (
        "1 student does not fit beside the 22 who have places, there is room for 22 in all: nothing was changed.\n"
        "1 student needs 7 more of pods, 6 are free: it is enough for 22 in all. What to change: "
        f"{capacity.RESOURCES['pods'].cure}."
    )


def test_who_has_a_place_is_never_refused() -> None:
    full = Means({"pods": [Pool(100, 100)]}, people(22), 44)
    assert capacity.refusal(capacity.plan(people(22), PLACE, full)) == ""
    assert capacity.plan(people(22), PLACE, full)["fits"] == 22


@pytest.mark.parametrize("resource", TEN)
def test_a_cluster_that_was_brought_is_told_what_changes_it(resource: str) -> None:
    """A room tells its kubelets nothing, and has no inventory for its workers."""
    there = roomy(**{resource: [Pool(TEN[resource] * 0.99)]})
    (problem,) = capacity.plan(people(10), PLACE, there, brought=True)["problems"]
    assert not re.search("workshop_|inventory", problem)


@pytest.mark.parametrize("resource", capacity.RESOURCES)
def test_what_is_told_to_be_changed_can_be(resource: str) -> None:
    """A mapping that is given replaces the default as a whole, what else it has with it."""
    cure = capacity.RESOURCES[resource].cure
    assert "{" not in cure
    for name in re.findall(r"\b[a-z]+_[a-z_]+\b", re.sub(r"sysctl [^),]*", "", cure)):
        assert name in KNOWN, name
    for setting in re.findall(r"[a-z]+(?:[.][a-z_-]+)+(?==[0-9])", cure):
        assert (Path("/proc/sys") / setting.replace(".", "/")).is_file(), setting


def test_how_many_students_a_kubelet_takes_that_was_told_nothing() -> None:
    """docs/class.md has the number."""
    free = Pool(1e9)
    machine = Machine(free, free, free, free, 1000)
    planned = capacity.plan(people(1), Cost(), without_room(machine, 1, 110))
    assert planned["limit"] == "pods"
    numbers = {12: "twelve"}
    assert f"110 pods unless it is told otherwise, which are {numbers[planned['fits']]} students at work" in CLASS
