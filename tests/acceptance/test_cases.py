"""Cases of "a stage is a transaction", each of which has failed once: what people do, and what they would notice.

Every test begins at the baseline of 0.1 and has users of its own at front.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from tests.acceptance.load_client import report
from tests.acceptance.observer import Observer, is_ready
from tests.acceptance.own_client import OwnClient
from tests.acceptance.promise import Asked, expected, is_settled, played, shortfalls, verdict
from tests.acceptance.room import UNDER_FAKETIME, Room, wait_for

# A stage of one service with its proof takes a quarter of this on a machine that has nothing else to do.
DEADLINE_SECONDS = 180
# A second stage is told within about 5 s of its look at the Lease, on a machine that has nothing else to do.
REFUSAL_SECONDS = 12
STAGING = "--namespace=staging"
DARK_LAUNCH = Asked("dark_launch", "aleph")


def hang(room: Room, app: str, version: str) -> None:
    """Stop a version's program from the outside, as a deadlock would: it is the first of its container."""
    pods = json.loads(room.kubectl("get", "pods", STAGING, f"--selector=app={app},version={version}", "--output=json"))
    statuses = [each for pod in pods["items"] for each in pod["status"]["containerStatuses"] if each["name"] == app]
    containers = [status["containerID"].removeprefix("containerd://") for status in statuses]
    stopped = 0
    for listed in Path("/proc").glob("[0-9]*/cgroup"):
        with contextlib.suppress(OSError):
            if any(container in listed.read_text() for container in containers):
                os.kill(int(listed.parent.name), signal.SIGSTOP)
                stopped += 1
    assert stopped


def rollout(weight: int, version: str = "", service: str = "aleph") -> Asked:
    return Asked("rollout", service, version, weight)


def pods(observer: Observer, service: str) -> set[str]:
    """The uid of each of a service's pods that take requests."""
    return {pod["metadata"]["uid"] for pod in observer.pods(service) if is_ready(pod)}


def scale(room: Room, deployment: str, replicas: int) -> None:
    room.kubectl("scale", STAGING, f"deployment/{deployment}", f"--replicas={replicas}")


def replicas(room: Room, deployment: str) -> int:
    return int(room.kubectl("get", STAGING, f"deployment/{deployment}", "--output=jsonpath={.spec.replicas}"))


def patch(room: Room, target: str, change: object, kind: str = "merge") -> None:
    room.kubectl("patch", STAGING, target, f"--type={kind}", f"--patch={json.dumps(change)}")


def virtual_service(name: str, namespace: str, spec: dict[str, object]) -> dict[str, object]:
    """One of somebody else."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": metadata, "spec": spec}


@pytest.mark.ci
def test_1_a_rollback_brings_the_stable_version_up_before_it_leaves_the_new_one(
    room: Room, observer: Observer, own: OwnClient
) -> None:
    """The version to go back to has no pods: nobody is sent to it before it has, so nobody sees a 503."""
    played(room, rollout(100))
    scale(room, "aleph-v01", 0)
    wait_for(lambda: not observer.ready("aleph").get("v01"), 60)
    begun = own.settle(8)
    played(room, Asked("rollback", "aleph"))
    since = own.settle()
    assert own.losses(begun) == []
    assert set(own.versions("aleph", since)) == {"0.1"}
    assert is_settled(observer, "aleph", {"v01": 100}, {"v01"})


def test_1_a_baseline_brings_back_a_version_that_has_no_pods(room: Room, observer: Observer, own: OwnClient) -> None:
    """Everybody got 503 since somebody scaled the only version to 0: the baseline, played again, mends that."""
    begun = time.time()
    scale(room, "aleph-v01", 0)
    wait_for(lambda: not observer.ready("aleph").get("v01"), 60)
    played(room, Asked("baseline", "aleph"))
    assert own.losses(own.settle()) == []
    assert {loss.backend for loss in own.losses(begun)} == {"aleph"}, "only where no version was there"


@pytest.mark.parametrize(
    "asked",
    [Asked("promote", "aleph", "0.2"), pytest.param(rollout(20, "0.2"), marks=pytest.mark.ci)],
    ids=lambda each: each.stage,
)
def test_2_a_version_that_fails_under_traffic_is_refused_before_a_user_reaches_it(
    room: Room, observer: Observer, own: OwnClient, asked: Asked
) -> None:
    """aleph 0.2 fails from its 21st request on: no user gets a 500, none gets 0.2, the old version stays as it was."""
    before, begun = pods(observer, "aleph"), time.time()
    refused = room.play(*asked.command, timeout=DEADLINE_SECONDS)
    assert refused.code != 0
    assert refused.is_plain
    own.settle()
    assert own.losses(begun) == []
    assert set(own.versions("aleph", begun)) == {"0.1"}
    assert before <= pods(observer, "aleph")
    said = verdict(room)
    assert said["verdict"] in ("refused", "taken back"), said
    assert "0.2" in " ".join(said["reasons"])
    assert said["next"] in refused.output
    assert is_settled(observer, "aleph", {"v01": 100})
    assert all(counted["failed"] == 0 for counted in report(room, begun).values())


def test_3_the_next_stage_starts_from_the_promoted_version(room: Room, observer: Observer, own: OwnClient) -> None:
    """After a promotion users have 0.3; whatever is tried next, those that are not part of the trial keep it."""
    played(room, Asked("promote", "aleph"))
    before, begun = pods(observer, "aleph"), own.settle()
    refused = room.play(*rollout(20, "0.2").command, timeout=DEADLINE_SECONDS)
    assert refused.code != 0
    assert set(own.versions("aleph", begun)) == {"0.3"}
    assert before <= pods(observer, "aleph")
    played(room, rollout(20, "0.1"))
    assert observer.shares("aleph") == {"v03": 80, "v01": 20}
    assert own.losses(begun) == []


@pytest.mark.ci
def test_3_rollback_knows_the_version_before_the_promotion(room: Room, observer: Observer, own: OwnClient) -> None:
    """Promoted twice, users go back one promotion; a second rollback leaves them where they are."""
    begun = time.time()
    played(room, Asked("promote", "aleph"))
    told = room.play(*rollout(20).command)
    assert told.code != 0
    assert "-e version=" in told.output, "0.3 is the stable one, and cannot be its own candidate"
    played(room, Asked("promote", "aleph", "0.1"))
    played(room, Asked("rollback", "aleph"))
    assert is_settled(observer, "aleph", {"v03": 100}, {"v03"})
    assert observer.record("aleph").stable == "0.3"
    assert played(room, Asked("rollback", "aleph")).changed == 0
    assert is_settled(observer, "aleph", {"v03": 100}, {"v03"})
    own.settle()
    assert own.losses(begun) == []


def test_4_what_people_have_scaled_stays(room: Room, own: OwnClient, undo: ExitStack) -> None:
    """Three pods were there for the load: three are there after the stage."""
    for deployment in ("aleph-v01", "front-v03"):
        scale(room, deployment, 3)
        undo.callback(scale, room, deployment, 1)
    begun = time.time()
    played(room, DARK_LAUNCH)
    assert (replicas(room, "aleph-v01"), replicas(room, "front-v03")) == (3, 3)
    own.settle()
    assert own.losses(begun) == []


@pytest.mark.parametrize("delay", [0.3, pytest.param(1.0, marks=pytest.mark.ci), 1.7])
def test_5_of_two_plays_at_once_one_runs_and_the_other_is_told_who(
    room: Room, observer: Observer, own: OwnClient, delay: float
) -> None:
    """Two terminals: one of them changes the stage, the other says who is at it, and no user notices."""
    played(room, rollout(30))
    begun = own.settle(8)
    both = {"rollback": room.start(*Asked("rollback", "aleph").command)}
    time.sleep(delay)
    both["rollout"] = room.start(*rollout(50).command)
    done = {stage: running.wait(DEADLINE_SECONDS) for stage, running in both.items()}
    winner, loser = sorted(both, key=lambda stage: done[stage].code)
    assert done[winner].code == 0, done[winner].output[-4000:]
    assert done[loser].code != 0
    assert done[loser].is_plain
    assert re.search(rf"{winner}.* since \d\d:\d\d:\d\d", done[loser].output.replace("\n", " ")), done[loser].output
    assert both[loser].took_to_say(r"one stage is\b") < REFUSAL_SECONDS
    assert is_settled(observer, "aleph", {"v01": 100} if winner == "rollback" else {"v01": 50, "v03": 50})
    own.settle()
    assert own.losses(begun) == []


def test_6_what_is_lost_during_a_stage_is_told_each_time(room: Room, observer: Observer, own: OwnClient) -> None:
    """Somebody takes beth away for a moment, twice: each of the two stages of aleph says that requests were lost."""
    for weight in (20, 40):
        running = room.start(*rollout(weight).command)
        running.when(observer.holder)
        scale(room, "beth-v01", 0)
        time.sleep(3)
        scale(room, "beth-v01", 1)
        done = running.wait(DEADLINE_SECONDS)
        assert own.losses(running.begun), "the mishap has not even been felt"
        said = verdict(room)
        assert said["lost"] > 0, (weight, said)
        assert said["requests"]["beth"]["failed"] > 0, (weight, said)
        assert "none failed" not in done.output
        wait_for(lambda: observer.ready("beth") == {"v01": 1}, 60)


def test_7_a_stage_leaves_the_load_client_and_its_rate_alone(
    room: Room, observer: Observer, own: OwnClient, undo: ExitStack
) -> None:
    """The load client that somebody deployed at 50 a second goes on at 50 a second, and the proof has its figures."""
    # What is given is remembered.
    undo.callback(room.must, "playbooks/deploy.yml", "-e", "workshop_load_rate=5")
    room.must("playbooks/deploy.yml", "-e", "workshop_load_rate=50")
    before, begun = pods(observer, "load"), time.time()
    done = played(room, DARK_LAUNCH)
    assert pods(observer, "load") == before
    counted = verdict(room)["requests"]
    assert {name: each["failed"] for name, each in counted.items()} == {"aleph": 0, "beth": 0}
    assert counted["aleph"]["sent"] > 50
    assert re.search(r"load client sent \d+ requests", done.output)
    own.settle()
    assert own.losses(begun) == []


def test_8_a_version_is_what_the_data_says_of_it_not_a_tag_that_somebody_typed(
    room: Room, observer: Observer, own: OwnClient
) -> None:
    """An image that does not exist was set on aleph-v01: the next stage puts 0.1's own back."""
    image = f"127.0.0.1:{room.registry_port}/istio-games-aleph"
    begun = time.time()
    room.kubectl("set", "image", STAGING, "deployment/aleph-v01", f"aleph={image}:0.4")
    played(room, Asked("rollback", "aleph"))
    container = observer.deployments("aleph")["v01"]["spec"]["template"]["spec"]["containers"][0]
    assert container["image"].partition("@")[0] == f"{image}:0.1"
    # One that does exist answers as another version: that too is not 0.1.
    room.kubectl("set", "image", STAGING, "deployment/aleph-v01", f"aleph={image}:0.3")
    room.kubectl("rollout", "status", STAGING, "deployment/aleph-v01", "--timeout=90s")
    played(room, DARK_LAUNCH)
    since = own.settle()
    assert set(own.versions("aleph", since)) == {"0.1"}
    assert own.losses(begun) == []


def test_9_a_weight_that_was_edited_and_put_back_hinders_nobody(room: Room, own: OwnClient) -> None:
    """80/20 became 70/30 and 80/20 again by kubectl: nothing is left to undo, and the stage goes on."""
    begun = time.time()
    played(room, rollout(20))
    for stable, candidate in ((70, 30), (80, 20)):
        weights = [
            {"op": "replace", "path": f"/spec/http/0/route/{place}/weight", "value": weight}
            for place, weight in enumerate((stable, candidate))
        ]
        patch(room, "virtualservice/aleph", weights, "json")
    played(room, rollout(20))
    played(room, rollout(40))
    assert own.losses(begun) == []


def test_10_a_wildcard_default_of_the_mesh_is_told_and_left_alone(room: Room, own: OwnClient, undo: ExitStack) -> None:
    """The mesh's own connection limits do not stop a stage, and `takeover` does not delete them."""
    undo.callback(room.kubectl, "delete", "--namespace=istio-system", "destinationrule/default", "--ignore-not-found")
    room.create(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "DestinationRule",
            "metadata": {"name": "default", "namespace": "istio-system"},
            "spec": {"host": "*.local", "trafficPolicy": {"connectionPool": {"tcp": {"maxConnections": 1000}}}},
        }
    )
    begun = time.time()
    status = room.must("playbooks/status.yml")
    assert re.search(r"istio-system/default.*\*\.local|\*\.local.*istio-system/default", status.output)
    played(room, DARK_LAUNCH)
    played(room, Asked("rollback", "aleph"), "-e", "takeover=true")
    room.kubectl("get", "--namespace=istio-system", "destinationrule/default")
    assert own.losses(begun) == []


def test_11_routes_that_others_keep_to_themselves_are_as_if_they_were_not_there(
    room: Room, own: OwnClient, undo: ExitStack
) -> None:
    """A team routes its own calls to aleph within its namespace: that is not our business, nor takeover's."""
    undo.callback(room.kubectl, "delete", "namespace/dev", "--wait=false", "--ignore-not-found")
    room.kubectl("create", "namespace", "dev")
    destination = {"route": [{"destination": {"host": "aleph.staging.svc.cluster.local"}}]}
    spec = {"hosts": ["aleph.staging.svc.cluster.local"], "exportTo": ["."], "http": [destination]}
    room.create(virtual_service("to-aleph", "dev", spec))
    begun = time.time()
    played(room, DARK_LAUNCH)
    played(room, Asked("rollback", "aleph"), "-e", "takeover=true")
    room.kubectl("get", "--namespace=dev", "virtualservice/to-aleph")
    assert own.losses(begun) == []


def test_12_status_says_in_words_what_somebody_has_put_into_a_virtual_service(
    room: Room, observer: Observer, own: OwnClient, undo: ExitStack
) -> None:
    """A redirect, a delegate, a delay of 2 s and copies of 5 %: `status` names each."""
    undo.callback(room.kubectl, "delete", STAGING, "virtualservice/team", "--ignore-not-found")
    route = [{"destination": {"host": "aleph", "subset": "v01"}}]
    room.create(virtual_service("team", "staging", {"http": [{"route": route}]}))
    everybody = observer.virtual_service("aleph")["spec"]["http"][-1]
    delay = {"delay": {"fixedDelay": "2s", "percentage": {"value": 100}}}
    mirror = {"mirror": {"host": "aleph", "subset": "v01"}, "mirrorPercent": 5}
    http = [
        {"match": [{"uri": {"prefix": "/old"}}], "redirect": {"uri": "/new"}},
        {"match": [{"uri": {"prefix": "/team"}}], "delegate": {"name": "team", "namespace": "staging"}},
        {**everybody, "fault": delay, **mirror},
    ]
    patch(room, "virtualservice/aleph", {"spec": {"http": http}})
    said = room.must("playbooks/status.yml", "-e", "service=aleph", "-e", "measure=false").output
    for words in (r"redirect\S* .*/new", r"staging/team", r"\b2 ?s\b", r"\b5 %"):
        assert re.search(words, said), words
    assert "nowhere" not in said
    assert "a copy of 100 %" not in said


@pytest.mark.ci
def test_13_a_proxy_in_the_environment_does_not_hide_the_room(room: Room, own: OwnClient) -> None:
    """A classroom's proxy is not asked for a room on this machine, as kubectl does not."""
    proxy = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"), "http://127.0.0.1:9")
    done = room.start("playbooks/status.yml", environment=proxy).wait(DEADLINE_SECONDS)
    assert done.code == 0, done.output[-3000:]


def test_14_a_cluster_that_falls_silent_is_told_and_waited_for_no_longer_than_its_deadline(
    room: Room, observer: Observer, own: OwnClient, undo: ExitStack
) -> None:
    """The machine freezes for a minute: the play says after a few seconds what it waits for, and ends."""
    control_plane = room.node("control-plane")
    running = room.start(*DARK_LAUNCH.command)
    running.when(observer.holder)
    undo.callback(subprocess.run, ["podman", "unpause", control_plane], capture_output=True, check=False)
    subprocess.run(["podman", "pause", control_plane], check=True, capture_output=True)
    silent = running.seconds
    time.sleep(60)
    subprocess.run(["podman", "unpause", control_plane], check=True, capture_output=True)
    done = running.wait(DEADLINE_SECONDS)
    told = running.said(silent + 1, silent + 20)
    assert re.search(r"wait|answer|reach|silent", told), f"silent for 20 s: {told!r}"
    assert done.is_plain
    wait_for(lambda: observer.ready("front"), 60)
    played(room, DARK_LAUNCH)
    assert own.losses(own.settle()) == []


@pytest.mark.parametrize("offset", ["+60s", "-60s"])
def test_15_a_clock_that_is_a_minute_off_changes_nothing(room: Room, own: OwnClient, offset: str) -> None:
    """The teacher's laptop has another time than the cluster: the stage and its proof are the same."""
    begun = time.time()
    running = room.start(*rollout(20).command, prefix=("faketime", "-f", offset), environment=UNDER_FAKETIME)
    done = running.wait(DEADLINE_SECONDS)
    assert done.code == 0, done.output[-4000:]
    said = verdict(room)
    assert said["verdict"] == "proven"
    # What the load client has sent during the play, by its own clock, and not in a minute more or less.
    sent = {name: each["sent"] for name, each in report(room, running.begun).items()}
    for name, counted in said["requests"].items():
        assert 0 < counted["sent"] <= sent[name]
        assert counted["failed"] == 0
    own.settle()
    assert own.losses(begun) == []


@pytest.mark.ci
@pytest.mark.parametrize("how", ["name", "home"])
def test_18_a_room_that_is_not_there_is_one_sentence_with_those_that_are(room: Room, tmp_path: Path, how: str) -> None:
    """A typo in the room's name, or sudo's other home directory: what rooms there are is said."""
    if how == "name":
        done = room.play("playbooks/status.yml", "-e", "workshop_name=bleu")
        assert room.name in done.output
    else:
        elsewhere = {"HOME": str(tmp_path), "XDG_STATE_HOME": ""}
        done = room.start("playbooks/status.yml", environment=elsewhere).wait(DEADLINE_SECONDS)
    assert done.code != 0
    assert done.is_plain
    assert "lock.json" not in done.output
    assert "room" in done.output


@pytest.mark.parametrize("app", ["front", "load"])
def test_19_a_node_that_is_down_is_named_and_the_others_go_on(
    room: Room, observer: Observer, own: OwnClient, undo: ExitStack, app: str
) -> None:
    """A worker dies with front or the load client on it: rollback and status use what lives, and name the node."""
    move(room, observer, undo, app)
    played(room, rollout(50))
    worker = room.node("worker-1")
    undo.callback(wait_for, lambda: nodes_ready(room) == 2, 120)
    undo.callback(subprocess.run, ["podman", "start", worker], check=True, capture_output=True)
    subprocess.run(["podman", "stop", "--time=5", worker], check=True, capture_output=True)
    for command in (Asked("rollback", "aleph").command, ["playbooks/status.yml"]):
        done = room.play(*command, timeout=DEADLINE_SECONDS)
        assert done.is_plain
        assert "worker-1" in done.output, done.output[-3000:]
        # Without the load client nothing is proven; everything else goes on.
        assert done.code == 0 or (app == "load" and verdict(room)["verdict"] == "not proven"), done.output[-3000:]
    assert observer.shares("aleph") == {"v01": 100}


def nodes_ready(room: Room) -> int:
    listed = json.loads(room.kubectl("get", "nodes", "--output=json"))["items"]
    conditions = [each for node in listed for each in node["status"]["conditions"] if each["type"] == "Ready"]
    return sum(each["status"] == "True" for each in conditions)


def move(room: Room, observer: Observer, undo: ExitStack, app: str) -> None:
    """Put an app on the worker, alone with what can be spared."""

    def place(name: str, namespace: str, node: str) -> None:
        wanted, other = (node, "worker-1" if node == "control-plane" else "control-plane")
        pods = json.loads(room.kubectl("get", "pods", f"--namespace={namespace}", f"--selector=app={name}", "-o=json"))
        away = [pod["metadata"]["name"] for pod in pods["items"] if pod["spec"].get("nodeName") != wanted]
        if away:
            room.kubectl("cordon", other)
            room.kubectl("delete", "pod", f"--namespace={namespace}", *away)
            room.kubectl("uncordon", other)

    undo.callback(room.kubectl, "uncordon", "control-plane", "worker-1")
    place("istiod", "istio-system", "control-plane")
    for each in ("front", "load", "aleph", "beth"):
        place(each, "staging", "worker-1" if each == app else "control-plane")
    # New versions start where the stable one is.
    room.kubectl("cordon", "worker-1")
    for each in ("front", "load", "aleph", "beth"):
        wait_for(partial(lambda name: all(observer.ready(name).values()), each), 90)


def test_20_status_shows_that_nothing_arrives_without_subsets(room: Room, own: OwnClient) -> None:
    """Half of the traffic was to go to 0.3, and somebody deleted the subsets: `status` does not say 50 %."""
    played(room, rollout(50))
    room.kubectl("delete", STAGING, "destinationrule/aleph")
    time.sleep(2)
    room.must("playbooks/status.yml", "-e", "service=aleph", "-e", "measure=false")
    shown = json.loads((room.state / "status.json").read_text())
    services = shown["services"] if isinstance(shown, dict) else shown
    aleph = next(each for each in services if each["service"] == "aleph")
    assert not any(share for version in aleph["versions"] for share in version["arrives"].values()), aleph
    played(room, rollout(50))
    assert own.losses(own.settle()) == []


@pytest.mark.ci
def test_21_a_name_that_is_mistyped_is_told(room: Room, observer: Observer, own: OwnClient) -> None:
    """`sevice=aleph` is not taken for "all services"."""
    played(room, rollout(20))
    done = room.play("playbooks/rollback.yml", "-e", "sevice=aleph")
    assert done.code != 0
    assert "sevice" in done.output
    assert "service" in done.output
    assert done.changed == 0
    assert observer.shares("aleph") == {"v01": 80, "v03": 20}


@pytest.mark.ci
def test_a_version_that_breaks_during_its_proof_is_taken_back(room: Room, observer: Observer, own: OwnClient) -> None:
    """0.3 hangs as soon as users have it: they are led back to 0.1, and are told how many requests that cost."""
    running = room.start(*rollout(50).command)
    running.when(lambda: observer.shares("aleph").get("v03"))
    hang(room, "aleph", "v03")
    broken = time.time()
    done = running.wait(DEADLINE_SECONDS)
    assert done.code != 0
    assert done.is_plain
    said = verdict(room)
    assert said["verdict"] == "taken back", said
    assert said["lost"] > 0
    assert is_settled(observer, "aleph", {"v01": 100})
    since = own.settle()
    assert own.losses(since) == []
    lost = own.losses(broken)
    print("taken back", *lost, sep="\n")
    assert set(own.versions("aleph", since)) == {"0.1"}
    assert shortfalls(room, observer, "beth", expected(Asked("baseline"), observer.record("beth"))) == []
