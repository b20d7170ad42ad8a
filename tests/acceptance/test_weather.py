"""Bad weather on the way to the cluster, at each step of a stage: one sentence, no hang, no user who notices."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from tests.acceptance.observer import MOMENTS, Observer
from tests.acceptance.own_client import OwnClient
from tests.acceptance.play import Played
from tests.acceptance.promise import Asked, is_settled, played, verdict
from tests.acceptance.room import UNDER_FAKETIME, Room, wait_for
from tests.acceptance.weather import Weather, weather

# How long it lasts, and what a play may take besides.
SECONDS = 20
DEADLINE_SECONDS = 150
ROLLOUT = Asked("rollout", "aleph", "", 20)
# Whom one of these sentences tells what is wrong.
TOLD = re.compile(r"answer|reach|refus|silent|timed out|time-out|connection", re.IGNORECASE)


def hold(room: Room, observer: Observer, own: OwnClient, done: Played, since: float) -> None:
    """The play went well, or said what is wrong; played again in good weather it does what it should."""
    assert done.is_plain, done.output[-4000:]
    if done.code == 0:
        assert verdict(room)["verdict"] == "proven"
    else:
        assert TOLD.search(done.output), done.output[-3000:]
        played(room, ROLLOUT)
    assert is_settled(observer, "aleph", {"v01": 80, "v03": 20})
    own.settle()
    assert own.losses(since) == []


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("kind", [Weather.silent, Weather.refused, Weather.cut], ids=lambda kind: kind.__name__)
def test_an_api_server_that_fails_for_a_while(
    room: Room, observer: Observer, own: OwnClient, kind: Callable[[Weather, float], None], moment: str
) -> None:
    """The control plane answers nothing for 20 s, or is started anew: who plays a stage reads why it waits."""
    begun = time.time()
    with weather(room.state / "kubeconfig") as between:
        running = room.start(*ROLLOUT.command)
        running.when(lambda: MOMENTS[moment](observer))
        came = running.seconds
        kind(between, SECONDS)
        went = running.seconds
        over = running.over
        done = running.wait(DEADLINE_SECONDS)
    if went - came > 10 and not over and moment != "as it begins":
        said = running.said(came + 1, went + 1)
        told = "".join(f"{at:5.1f} {line}" for at, line in running.lines)
        assert TOLD.search(said) or "wait" in said, f"nothing was said from {came:.1f} to {went:.1f} s:\n{told}"
    hold(room, observer, own, done, begun)


def test_an_api_server_that_is_slow(room: Room, observer: Observer, own: OwnClient) -> None:
    """Each answer takes a second longer: the stage takes its time, and is the same."""
    begun = time.time()
    with weather(room.state / "kubeconfig") as between:
        running = room.start(*ROLLOUT.command)
        between.slow(60)
        done = running.wait(DEADLINE_SECONDS + 60)
    hold(room, observer, own, done, begun)


def test_an_api_server_that_never_answers_is_one_sentence(room: Room, observer: Observer, own: OwnClient) -> None:
    """The cluster is frozen before the play begins, and stays so: it ends, and says so."""
    begun = time.time()
    with weather(room.state / "kubeconfig") as between:
        between.freeze()
        done = room.play(*ROLLOUT.command, timeout=DEADLINE_SECONDS)
    assert done.code != 0
    hold(room, observer, own, done, begun)


PROXY = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"), "http://127.0.0.1:9")
CLOCKS = [("faketime", "-f", offset) for offset in ("+60s", "-60s")]
WALK = [
    Asked("dark_launch", "aleph"),
    Asked("mirror", "aleph"),
    ROLLOUT,
    Asked("promote", "aleph"),
    Asked("rollback", "aleph"),
    Asked("baseline", "aleph"),
]


@pytest.mark.parametrize("how", ["proxy", "clock +60 s", "clock -60 s"])
def test_every_stage_in_an_odd_environment(room: Room, observer: Observer, own: OwnClient, how: str) -> None:
    """Behind a classroom's proxy, and with a clock that is a minute off, all stages are as they are without."""
    environment = PROXY if how == "proxy" else UNDER_FAKETIME
    prefix = {"proxy": (), "clock +60 s": CLOCKS[0], "clock -60 s": CLOCKS[1]}[how]
    begun = time.time()
    for asked in WALK:
        done = room.start(*asked.command, environment=environment, prefix=prefix).wait(DEADLINE_SECONDS)
        assert done.code == 0, (asked, done.output[-4000:])
        assert verdict(room)["verdict"] == "proven"
    own.settle()
    assert own.losses(begun) == []


@pytest.mark.parametrize("moment", list(MOMENTS)[1:])
def test_a_worker_that_stops_in_the_middle(
    room: Room, observer: Observer, own: OwnClient, undo: ExitStack, moment: str
) -> None:
    """A worker goes down during a stage: the play ends by its deadline, says which node, and can be played again."""
    worker = room.node("worker-1")
    running = room.start(*ROLLOUT.command)
    running.when(lambda: MOMENTS[moment](observer))
    undo.callback(subprocess.run, ["podman", "start", worker], capture_output=True, check=False)
    subprocess.run(["podman", "stop", "--time=2", worker], check=True, capture_output=True)
    done = running.wait(DEADLINE_SECONDS + 60)
    assert done.is_plain, done.output[-4000:]
    if done.code != 0:
        assert "worker-1" in done.output, done.output[-3000:]
    undo.close()
    wait_for(lambda: all(all(observer.ready(app).values()) for app in ("front", "load", "aleph", "beth")), 120)
    played(room, ROLLOUT)
    assert own.losses(own.settle()) == []
