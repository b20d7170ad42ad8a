"""The stages of progressive delivery, as a user plays them, under a hundred requests a second."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.acceptance.load_client import load, sent_since
from tests.acceptance.observer import MOMENTS, Observer
from tests.acceptance.play import Played
from tests.acceptance.promise import begin
from tests.acceptance.room import Room, get_json, wait_for

# Requests a second to each of two backends.
RATE = 50
LOADED = ("-e", f"workshop_load_rate={RATE}")
OLD, NEW, BOTH = {"0.1"}, {"0.3"}, {"0.1", "0.3"}
# A stage, and the versions of which each has answered within 3 s of it (at 20 % one is missing once in 10^14 times).
STAGES: list[tuple[str, tuple[str, ...], set[str]]] = [
    ("playbooks/baseline.yml", (), OLD),
    ("playbooks/dark_launch.yml", (), OLD),
    ("playbooks/mirror.yml", (), OLD),
    *[("rollout.yml", ("-e", f"weight={weight}"), BOTH) for weight in (1, 20, 40, 60, 80)],
    ("rollout.yml", ("-e", "weight=100"), NEW),
    ("playbooks/promote.yml", (), NEW),
]
# Of so few answers the one in a hundred may be missing.
MAY_BE_MISSING: dict[tuple[str, ...], set[str]] = {("-e", "weight=1"): NEW}


def routing(room: Room) -> dict[str, str]:
    """resourceVersion of every VirtualService and DestinationRule."""
    listed = json.loads(room.kubectl("get", "virtualservices,destinationrules", "--all-namespaces", "--output=json"))
    return {
        f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["resourceVersion"] for item in listed["items"]
    }


def play(room: Room, playbook: str, *arguments: str) -> Played:
    return room.must(playbook, *arguments)


@pytest.fixture(scope="module")
def busy(room: Room, observer: Observer) -> Iterator[Room]:
    """The room under load, at the baseline."""
    room.must("playbooks/deploy.yml", *LOADED)
    begin(room, observer)
    yield room
    begin(room, observer)
    room.must("playbooks/deploy.yml", "-e", "workshop_load_rate=5")


def show(what: str, targets: dict[str, Any]) -> None:
    """Print figures for people (pytest -s)."""
    for name, counted in targets.items():
        latency = counted["latency_ms"]
        print(
            f"{what}: {name} {counted['sent']} requests at {counted['rate']}/s, {counted['failed']} failed, "
            f"{counted['versions']}, p50 {latency['p50']} ms, p99 {latency['p99']} ms"
        )


def test_no_request_is_lost_from_the_baseline_to_the_promoted_version(busy: Room) -> None:
    begun = time.time()
    time.sleep(10)
    show("before", sent_since(busy, begun, RATE))
    during = time.time()
    for playbook, arguments, answering in STAGES:
        play(busy, playbook, *arguments)
        reached = time.time()
        time.sleep(3)
        for counted in sent_since(busy, reached, RATE).values():
            missing = answering - set(counted["versions"])
            assert missing <= MAY_BE_MISSING.get(arguments, set()), (playbook, arguments)
            assert set(counted["versions"]) <= answering, (playbook, arguments)
    show("during", sent_since(busy, during, RATE))
    after = time.time()
    time.sleep(10)
    show("after", sent_since(busy, after, RATE))


@pytest.mark.parametrize(
    ("playbook", "arguments"),
    [stage[:2] for stage in STAGES[1:]],
    ids=[" ".join(stage[:1] + stage[1][1:]) for stage in STAGES[1:]],
)
def test_no_request_is_lost_by_a_rollback(
    busy: Room, observer: Observer, playbook: str, arguments: tuple[str, ...]
) -> None:
    begin(busy, observer)
    begun = time.time()
    play(busy, playbook, *arguments)
    play(busy, "playbooks/rollback.yml")
    reached = time.time()
    time.sleep(2)
    for counted in sent_since(busy, reached, RATE).values():
        assert set(counted["versions"]) == OLD
    show(f"{playbook} {' '.join(arguments)} and back", sent_since(busy, begun, RATE))


# A Cookie header, and whether it is the developer's.
COOKIES = [
    ("user=developer", True),
    ("a=1; user=developer; b=2", True),
    ("a=1;user=developer;b=2", True),
    ("user=developer; user=other", True),
    ("user=other; user=developer", True),
    ("user=developer; user=developer", True),
    ("user=developer2", False),
    ("xuser=developer", False),
    ("User=developer", False),
    ("user=Developer", False),
    ('user="developer"', False),
    ("user=other", False),
    ("", False),
]


def test_the_developers_cookie_and_no_other_leads_to_the_new_version(busy: Room, observer: Observer) -> None:
    begin(busy, observer)
    play(busy, "playbooks/dark_launch.yml")
    for cookie, developer in COOKIES:
        allowed = NEW if developer else OLD
        header = (f"--header=Cookie: {cookie}",) if cookie else ()
        targets = ("--target=aleph=http://aleph/name", "--target=beth=http://beth/name")
        for name, counted in load(busy, "run", "--requests=5", *targets, *header)["targets"].items():
            assert set(counted["versions"]) == allowed, (cookie, name)
        shown = get_json(f"http://127.0.0.1:{busy.front_port}/backends", headers={"Cookie": cookie} if cookie else {})
        assert {backend["version"] for backend in shown["backends"]} == allowed, (cookie, "through front")


def test_as_many_copies_arrive_as_safe_requests_were_sent_and_no_others(room: Room, observer: Observer) -> None:
    begin(room, observer)
    room.must("playbooks/deploy.yml", "-e", "workshop_load_rate=0")
    room.must("playbooks/mirror.yml")

    def received() -> int:
        pod = room.kubectl("get", "pods", "--namespace=staging", "--selector=app=aleph,version=v03", "--output=name")
        text = room.kubectl(
            "exec", "--namespace=staging", pod.strip(), "--container=istio-proxy", "--",
            "pilot-agent", "request", "GET", r"stats?filter=^cluster\.inbound\|[^.]*\.upstream_rq_completed$",
        )  # fmt: skip
        return int(text.split(": ")[1])

    before = received()
    for method, number in (("GET", 300), ("HEAD", 100), ("OPTIONS", 50)):
        counted = load(room, "run", f"--requests={number}", "--target=aleph=http://aleph/name", f"--method={method}")
        assert set(counted["targets"]["aleph"]["versions"]) == OLD
    wait_for(lambda: received() == before + 450, 20)
    load(room, "run", "--requests=100", "--target=aleph=http://aleph/devices", "--method=POST")
    load(room, "run", "--requests=100", "--target=aleph=http://aleph/devices/none", "--method=DELETE")
    time.sleep(3)
    assert received() == before + 450


def test_a_broken_version_under_mirroring_is_reported_and_nobody_sees_it(busy: Room) -> None:
    busy.must("playbooks/deploy.yml", *LOADED)  # the load client, which the test before has stopped
    time.sleep(5)
    begun = time.time()
    played = play(busy, "playbooks/mirror.yml", "-e", "service=aleph", "-e", "version=0.2")
    found = re.search(r"aleph: its mirrored version received (\d+) copies and answered (\d+) of them", played.output)
    assert found
    assert int(found[2]) > 0
    assert "Next: ansible-playbook playbooks/rollback.yml" in played.output
    assert set(sent_since(busy, begun, RATE)["aleph"]["versions"]) == OLD
    play(busy, "playbooks/rollback.yml")
    assert "aleph-v02" not in busy.kubectl("get", "deployments", "--namespace=staging")


@pytest.mark.parametrize("weight", [0, 1, 5, 20, 50, 99, 100])
def test_a_weight_is_measured(busy: Room, weight: int) -> None:
    played = play(busy, "rollout.yml", "-e", f"weight={weight}")
    verdicts = re.findall(r"^(?:aleph|beth) for everybody.*$", played.output, re.MULTILINE)
    print(*verdicts, sep="\n")
    assert len(verdicts) == 2
    assert all("honoured (" in verdict and "not honoured" not in verdict for verdict in verdicts)
    assert play(busy, "rollout.yml", "-e", f"weight={weight}").changed == 0


@pytest.mark.parametrize(
    ("playbook", "arguments", "said"),
    [
        ("rollout.yml", ["-e", "weight=-1"], "weight is '-1'.*0 to 100"),
        ("rollout.yml", ["-e", "weight=101"], "weight is '101'.*0 to 100"),
        ("rollout.yml", ["-e", "weight=50.5"], r"weight is '50\.5'.*0 to 100"),
        ("rollout.yml", ["-e", "weight=abc"], "weight is 'abc'.*0 to 100"),
        ("rollout.yml", ["-e", "weight="], "weight is ''.*0 to 100"),
        ("rollout.yml", [], "weight is missing: type -e weight=50"),
        ("rollout.yml", ["-e", "weight=50", "-e", "service=gimel"], "service is 'gimel'.*aleph, beth"),
        ("playbooks/mirror.yml", ["-e", "version=7"], "version is '7'.*0.2, 0.3"),
        ("playbooks/mirror.yml", ["-e", "weight=5"], "the stage mirror takes none"),
        ("playbooks/stage.yml", ["-e", "stage=cheese"], "stage is 'cheese'.*baseline, dark_launch"),
        ("rollout.yml", ["-e", "weight=50", "-e", "workshop_kubeconfig=/nonexistent"], "workshop_kubeconfig is"),
    ],
)
def test_bad_input_is_one_sentence_and_changes_nothing(
    busy: Room, playbook: str, arguments: list[str], said: str
) -> None:
    before = routing(busy)
    played = busy.play(playbook, *arguments)
    assert played.code != 0
    assert re.search(said, played.output, re.DOTALL), played.output[-2000:]
    assert routing(busy) == before


def with_kubeconfig(room: Room, pattern: str, replacement: str) -> Played:
    """Play a stage while the room's kubeconfig is changed."""
    kubeconfig = room.state / "kubeconfig"
    source = kubeconfig.read_text()
    kubeconfig.write_text(re.sub(pattern, replacement, source))
    try:
        return room.play("rollout.yml", "-e", "weight=50")
    finally:
        kubeconfig.write_text(source)


def test_a_cluster_that_does_not_answer_is_named(busy: Room) -> None:
    played = with_kubeconfig(busy, "server: .*", "server: https://127.0.0.1:9")
    assert played.code != 0
    assert "cannot be reached" in played.output


def test_a_kubeconfig_that_is_no_longer_good_is_named(busy: Room) -> None:
    played = with_kubeconfig(busy, "client-(certificate|key)-data: .*", "token: expired")
    assert played.code != 0
    assert "refuses the credentials" in played.output


def test_a_version_that_does_not_become_ready_leaves_the_routes_alone(busy: Room) -> None:
    play(busy, "playbooks/rollback.yml")
    before = routing(busy)
    busy.kubectl("create", "quota", "no-more", "--namespace=staging", "--hard=pods=1")
    try:
        played = busy.play("rollout.yml", "-e", "weight=50")
    finally:
        busy.kubectl("delete", "quota", "no-more", "--namespace=staging")
    assert played.code != 0
    assert "aleph-v03" in played.output
    assert routing(busy) == before
    play(busy, "playbooks/rollback.yml")


BROKEN = {
    "both routes to one subset": (
        "virtualservice/aleph",
        '{"spec": {"http": [{"route": [{"destination": {"host": "aleph", "subset": "v01"}, "weight": 50},'
        ' {"destination": {"host": "aleph", "subset": "v01"}, "weight": 50}]}]}}',
    ),
    "a missing subset": (
        "destinationrule/aleph",
        '{"spec": {"subsets": [{"name": "v01", "labels": {"version": "v01"}}]}}',
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_what_somebody_broke_by_hand_is_named_and_mended_by_takeover(busy: Room, how: str) -> None:
    play(busy, "rollout.yml", "-e", "weight=50")
    target, patch = BROKEN[how]
    busy.kubectl("patch", "--namespace=staging", target, "--type=merge", f"--patch={patch}")
    before = routing(busy)
    refused = busy.play("rollout.yml", "-e", "weight=20")
    assert refused.code != 0
    assert "kubectl-patch" in refused.output
    assert "takeover=true" in refused.output
    assert routing(busy) == before
    play(busy, "rollout.yml", "-e", "weight=20", "-e", "takeover=true")
    assert play(busy, "rollout.yml", "-e", "weight=20").changed == 0


def test_an_overlapping_virtual_service_is_named_and_removed_by_takeover(busy: Room) -> None:
    play(busy, "rollout.yml", "-e", "weight=50")
    mine = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "mine", "namespace": "staging"},
        # Exported to a named namespace, it goes before the older one of the workshop, which is exported to all.
        "spec": {"exportTo": ["."], "hosts": ["aleph"], "http": [{"route": [{"destination": {"host": "aleph"}}]}]},
    }
    busy.create(mine)
    refused = busy.play("rollout.yml", "-e", "weight=20")
    assert refused.code != 0
    assert "staging/mine" in refused.output
    play(busy, "rollout.yml", "-e", "weight=20", "-e", "takeover=true")
    assert "mine" not in busy.kubectl("get", "virtualservices", "--namespace=staging")
    assert list((busy.state / "taken-over").glob("virtualservice-staging-mine-*.yaml"))


def kill(room: Room, moment: Callable[[], object], playbook: str, *arguments: str) -> None:
    """Start a play, and kill it shortly after the cluster shows that it has come so far."""
    running = room.start(playbook, *arguments)
    running.when(moment)
    time.sleep(0.2)
    running.kill()


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_change_that_is_killed_can_be_played_again(busy: Room, observer: Observer, moment: str) -> None:
    begin(busy, observer)
    begun = time.time()
    kill(busy, lambda: MOMENTS[moment](observer), "rollout.yml", "-e", "weight=20")
    play(busy, "rollout.yml", "-e", "weight=20")
    assert play(busy, "rollout.yml", "-e", "weight=20").changed == 0
    sent_since(busy, begun, RATE)


PROMOTED: dict[str, Callable[[Observer], object]] = {
    "while it proves": lambda observer: observer.shares("aleph") == {"v03": 100},
    "while it retires": lambda observer: observer.record("aleph").stable == "0.3",
    "as it ends": lambda observer: "v01" not in observer.deployments("aleph"),
}


@pytest.mark.parametrize("moment", PROMOTED)
def test_a_promotion_that_is_killed_can_be_played_again(busy: Room, observer: Observer, moment: str) -> None:
    begin(busy, observer)
    play(busy, "rollout.yml", "-e", "weight=80")
    begun = time.time()
    kill(busy, lambda: PROMOTED[moment](observer), "playbooks/promote.yml")
    play(busy, "playbooks/promote.yml")
    assert play(busy, "playbooks/promote.yml").changed == 0
    sent_since(busy, begun, RATE)


def test_a_change_while_istiod_is_killed_converges(busy: Room, observer: Observer) -> None:
    begin(busy, observer)
    play(busy, "rollout.yml", "-e", "weight=20")
    begun = time.time()
    busy.kubectl("delete", "pod", "--namespace=istio-system", "--selector=app=istiod", "--grace-period=0", "--force")
    play(busy, "rollout.yml", "-e", "weight=60")
    sent_since(busy, begun, RATE)


def test_status_is_a_table_and_json(busy: Room, observer: Observer) -> None:
    begin(busy, observer)
    play(busy, "rollout.yml", "-e", "weight=40")
    played = play(busy, "playbooks/status.yml")
    assert played.changed == 0
    assert re.search(r"aleph +rollout +0\.1 +1/1 +60 % +60 % +60 % \(2\)", played.output)
    found = {each["service"]: each for each in json.loads((busy.state / "status.json").read_text())["services"]}
    assert found["beth"]["stage"] == "rollout"
    assert found["beth"]["weight"] == 40
    assert found["beth"]["last_change"]
    new = next(version for version in found["beth"]["versions"] if version["version"] == "0.3")
    assert (new["asked"], new["configured"], set(new["proxies"].values())) == (40, 40, {40})
    assert 25 < new["measured"] < 55


def test_check_mode_shows_the_change_and_makes_none(busy: Room) -> None:
    play(busy, "playbooks/rollback.yml")
    before, deployments = routing(busy), busy.generations()
    played = play(busy, "rollout.yml", "-e", "weight=30", "--check", "--diff")
    assert played.changed > 0
    assert "weight: 70" in played.output
    assert (routing(busy), busy.generations()) == (before, deployments)
