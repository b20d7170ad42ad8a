"""A random walk through the stages, with mishaps, under load: what a stage promises holds, whatever people do.

`--walk-steps 20 --walk-seed 7` takes another walk, `--walk-from 50` begins later in one. Each step is drawn from its
own number, and is a line of JSON in tests/output/walk-SEED.jsonl. After a step either the promise holds, or the play
has said in a sentence what to do, and doing that makes it hold. A request is lost only where a mishap left no version
that could answer it: each loss is held against the times in which that was so.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.acceptance.excuses import Excuse, excuses_of, is_excused
from tests.acceptance.hands import Hand, Undo, settle
from tests.acceptance.load_client import load_failures
from tests.acceptance.mishaps import EVERYTHING, MISHAPS, Mishap
from tests.acceptance.observer import SERVICES, Observer, Outages
from tests.acceptance.own_client import FRONT, Failure, OwnClient, losses
from tests.acceptance.play import Played
from tests.acceptance.promise import (
    BROKEN,
    CANDIDATE,
    STAGES,
    VERSIONS,
    Asked,
    Expected,
    begin,
    expected,
    label,
    shortfalls,
    verdict,
)
from tests.acceptance.room import ROOT, Room

# Requests a second: 25 of the load client to each of two backends, and 8 of one's own at front besides.
LOAD_RATE, OWN_RATE = 25, 8
DEADLINE_SECONDS = 240
# How often a step is gone on with, as its sentences say, before the promise must hold.
ATTEMPTS = 3


@dataclass
class Step:
    """One step and what became of it, for the log."""

    number: int
    asked: str
    mishap: str
    plays: list[dict[str, Any]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    # How many of the lost requests no version could have answered.
    excused: int = 0
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0


@pytest.fixture(scope="module")
def crowd(room: Room, observer: Observer) -> Iterator[tuple[OwnClient, Outages]]:
    """Load on the room at its baseline, users of one's own, and somebody who watches the pods."""
    room.must("playbooks/deploy.yml", "-e", f"workshop_load_rate={LOAD_RATE}")
    begin(room, observer)
    with Outages(observer.api) as outages, OwnClient(room.front_port, OWN_RATE) as own:
        own.settle(8)
        yield own, outages
    begin(room, observer)
    room.must("playbooks/deploy.yml", "-e", "workshop_load_rate=5")


@pytest.mark.timeout(5 * 3600)
def test_the_promise_holds_at_every_step_of_a_random_walk(
    room: Room, observer: Observer, crowd: tuple[OwnClient, Outages], pytestconfig: pytest.Config
) -> None:
    """200 steps: every stage, both services, and every mishap of the table."""
    steps, seed, first = (pytestconfig.getoption(f"--walk-{name}") for name in ("steps", "seed", "from"))
    log = ROOT / f"tests/output/walk-{seed}.jsonl"
    log.parent.mkdir(exist_ok=True)
    walk = Walk(room, observer, *crowd, log)
    for number in range(first, steps + 1):
        walk.step(number, Random(f"{seed}/{number}"))
    print(
        f"{len(walk.taken)} steps, {sum(step.excused for step in walk.taken)} requests lost where no version was there"
    )
    bad = [step for step in walk.taken if step.problems]
    assert not bad, "\n".join(f"step {step.number} ({step.asked}; {step.mishap}): {step.problems}" for step in bad)


class Walk:
    """The steps of a walk, one after the other."""

    def __init__(self, room: Room, observer: Observer, own: OwnClient, outages: Outages, log: Path) -> None:
        self._room, self._observer, self._own, self._outages, self._log = room, observer, own, outages, log
        self.taken: list[Step] = []
        self._settled = self._changed = time.time()

    def step(self, number: int, random: Random) -> None:
        """Draw and take one."""
        started = time.monotonic()
        asked, wanted = self._draw(random)
        mishap = self._draw_mishap(random)
        hand = Hand(self._room, self._observer, random, random.choice(asked.services))
        step = Step(number, " ".join(asked.command), f"{mishap.name} ({hand.service})" if mishap else "")
        since = time.time()
        excuses: list[Excuse] = []
        try:
            self._take(step, asked, wanted, mishap, hand, excuses)
            settle(hand)
        except (AssertionError, OSError, LookupError, subprocess.SubprocessError) as error:
            step.problems.append(f"{type(error).__name__}: {str(error)[-1500:]}")
            begin(self._room, self._observer)
        self._account(step, since, mishap, excuses)
        step.seconds = round(time.monotonic() - started, 1)
        self.taken.append(step)
        print(summary(step), flush=True)
        with self._log.open("a") as log:
            log.write(json.dumps(asdict(step)) + "\n")

    def _draw(self, random: Random) -> tuple[Asked, dict[str, Expected | None]]:
        """A stage that somebody could ask for from here, now and then one that makes no sense."""
        before = {service: self._observer.record(service) for service in SERVICES}
        for _ in range(100):
            stage = random.choices(STAGES, weights=(2, 2, 2, 6, 2, 2))[0]
            service = random.choice(("", *SERVICES))
            versions = VERSIONS[service] if service else VERSIONS["beth"]
            version = random.choice(("", *versions)) if stage not in ("baseline", "rollback") else ""
            weight = random.choice((1, 10, 20, 40, 50, 80, 100)) if stage == "rollout" else None
            asked = Asked(stage, service, version, weight)
            wanted = {name: expected(asked, before[name]) for name in asked.services}
            if all(wanted.values()) or random.random() < 0.05:
                break
        return asked, wanted

    def _draw_mishap(self, random: Random) -> Mishap | None:
        """Two steps of three have one; none where routes are all that keeps users from a broken version."""
        service, version = BROKEN
        drawn = random.choice(MISHAPS) if random.random() < 2 / 3 else None
        return None if label(version) in self._observer.deployments(service) else drawn

    def _take(
        self,
        step: Step,
        asked: Asked,
        wanted: dict[str, Expected | None],
        mishap: Mishap | None,
        hand: Hand,
        excuses: list[Excuse],
    ) -> None:
        undo: Undo | None = None
        happened = time.time()
        try:
            if mishap and not mishap.during:
                undo = mishap.do(hand)
                # Somebody's record or stable version may be gone with what was deleted: it is read anew.
                wanted = self._again(asked, wanted)
            running = hand.running = self._room.start(*asked.command)
            if mishap and mishap.during:
                time.sleep(hand.random.uniform(0.5, 9))
                happened = time.time()
                undo = mishap.do(hand)
            done = running.wait(DEADLINE_SECONDS)
            self._judge(step, asked, wanted, mishap, done, undo)
        finally:
            if undo:
                undo()
            if mishap and mishap.cuts:
                for backend in (hand.service if name == "service" else name for name in mishap.cuts):
                    excuses.append(Excuse(backend, happened, time.time()))

    def _again(self, asked: Asked, wanted: dict[str, Expected | None]) -> dict[str, Expected | None]:
        found = {name: self._observer.record(name) for name in asked.services}
        return {name: expected(asked, found[name]) if found[name].stable else wanted[name] for name in asked.services}

    def _judge(
        self,
        step: Step,
        asked: Asked,
        wanted: dict[str, Expected | None],
        mishap: Mishap | None,
        done: Played,
        undo: Undo | None,
    ) -> None:
        """See that the promise holds, or comes to hold by what was said."""
        if None in wanted.values() or self._is_broken(asked):
            self._refused(step, asked, wanted, done)
            return
        for attempt in range(1, ATTEMPTS + 1):
            told = self._told(step, asked, done)
            missing = self._missing(wanted) if done.code == 0 else [told or "it gave no reason"]
            # Green, and something is missing: that is excusable only where it may have happened after the proof.
            hopeless = not told and not (done.code == 0 and mishap and mishap.during)
            if not missing or hopeless or attempt == ATTEMPTS:
                break
            if attempt == 1 and undo and "takeover=true" not in done.output:
                undo()
            typed = ["-e", "takeover=true"] if "takeover=true" in done.output else []
            done = self._room.play(*asked.command, *typed, timeout=DEADLINE_SECONDS)
        step.problems += missing

    def _refused(self, step: Step, asked: Asked, wanted: dict[str, Expected | None], done: Played) -> None:
        """A stage that makes no sense, or a version that fails: users stay where they are, and a sentence says why."""
        told = self._told(step, asked, done)
        if done.code == 0 and asked.stage in ("dark_launch", "mirror") and self._is_broken(asked):
            step.problems += self._missing(wanted)
        elif done.code == 0:
            step.problems.append("it was not refused")
        elif not told:
            step.problems.append("it gave no reason")

    def _is_broken(self, asked: Asked) -> bool:
        return (asked.service, asked.version or CANDIDATE) == BROKEN and asked.stage not in ("baseline", "rollback")

    def _missing(self, wanted: dict[str, Expected | None]) -> list[str]:
        return [
            missing for name, one in wanted.items() for missing in shortfalls(self._room, self._observer, name, one)
        ]

    def _told(self, step: Step, asked: Asked, done: Played) -> str:
        """What the play said: the sentence that it ended with."""
        if not done.is_plain:
            step.problems.append(f"a traceback: {done.output[-1500:]}")
        entry: dict[str, Any] = {"code": done.code, "seconds": round(done.seconds, 1)}
        step.plays.append(entry)
        if done.code == 0:
            said = verdict(self._room)
            entry |= {name: said.get(name) for name in ("verdict", "lost", "reasons")}
            if (said.get("stage"), said.get("verdict")) != (asked.stage, "proven"):
                step.problems.append(f"green, but its verdict is {said.get('stage')}: {said.get('verdict')}")
            return ""
        if done.code < 0 or "interrupted" in done.output.lower():
            return "ended by hand"
        entry["told"] = sentence = ended_with(done.output)
        return sentence

    def _account(self, step: Step, since: float, mishap: Mishap | None, excuses: list[Excuse]) -> None:
        """Hold each lost request against the times in which no version could answer it."""
        self._own.settle(8)
        until = time.time()
        if (mishap and mishap.empties) or (mishap and mishap.cuts == EVERYTHING):
            excuses += excuses_of(self._outages, (*SERVICES, FRONT), since)
        failures = self._own.failures(since, until) + self._steady(step, since, until)
        left = [failure for failure in failures if not is_excused(failure, excuses)]
        step.excused = len(failures) - len(left)
        step.lost = [str(loss) for loss in losses(failures)]
        step.problems += [f"lost although a version could answer: {loss}" for loss in losses(left)]

    def _steady(self, step: Step, since: float, until: float) -> list[Failure]:
        """The load client's; one that was restarted knows only what came after."""
        try:
            return load_failures(self._room, since, until)
        except AssertionError as error:
            begun = re.search(r"--since=(\d+\.\d+) or later", str(error))
            if not begun or float(begun[1]) >= until:
                return []
            step.plays.append({"load client began": float(begun[1])})
            return load_failures(self._room, float(begun[1]), until)


def ended_with(output: str) -> str:
    """The sentence that a failed play ended with."""
    found = re.findall(r"^\[ERROR\]: (?:Task failed: )?(.*)$|^ {4}msg: (.*(?:\n {6,}.*)*)", output, re.MULTILINE)
    return " ".join((found[-1][0] or found[-1][1]).split()) if found else ""


def summary(step: Step) -> str:
    """A line for people."""
    return f"{step.number:3} {step.seconds:5.1f} s  {step.asked}  {step.mishap}  {'; '.join(step.problems) or 'ok'}"
