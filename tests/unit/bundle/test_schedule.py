"""How long a build will take follows from what has been built."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import recipes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.parts import Part, all_parts
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.schedule import (
    Schedule,
    minutes,
    needs,
    share,
)

SUPPLY = Path(__file__).parents[3] / "supply"


@pytest.fixture(scope="module")
def every() -> list[Part]:
    return all_parts(recipes.load(SUPPLY))


def named(every: list[Part], *names: str) -> list[Part]:
    return [part for part in every if part.name in names]


def test_every_part_has_a_share(every: list[Part]) -> None:
    assert all(share(part) > 0 for part in every)


def test_the_time_left_is_that_of_what_is_left_at_this_machine_s_pace(every: list[Part]) -> None:
    schedule = Schedule(named(every, "go kubernetes", "go istio", "go etcd"), len(every))
    assert schedule.left() == 221 + 121 + 6
    assert str(schedule) == f"{len(every) - 3} of {len(every)} parts are done, about 6 minutes left"
    assert schedule.left("go kubernetes", 100) == 121 + 127
    assert schedule.left("go kubernetes", 1000) == 127
    schedule.done("go kubernetes", 3 * 221)  # three times as long as measured
    assert 2 * 127 < schedule.left() < 3 * 127
    schedule.done("go etcd", 60)
    schedule.done("go istio", 1)
    assert schedule.left() == 0
    assert str(schedule) == f"{len(every)} of {len(every)} parts are done"


@pytest.mark.parametrize(
    ("names", "elapsed", "said"),
    [
        (("go kubernetes",), 100, "about 2 minutes left in all"),
        (("go kubernetes",), 1000, "longer than expected"),  # how much longer, nobody knows
        (("go kubernetes", "go istio"), 100, "about 4 minutes left in all"),
        (("go kubernetes", "go istio"), 1000, "longer than expected; about 2 minutes after it"),
    ],
)
def test_a_part_that_takes_longer_is_not_said_to_be_nearly_done(
    names: tuple[str, ...], elapsed: float, said: str, every: list[Part]
) -> None:
    assert Schedule(named(every, *names), len(every)).outlook("go kubernetes", elapsed) == said


@pytest.mark.parametrize(("seconds", "least", "most"), [(0, 0.7, 1), (100, 1, 3)])
def test_a_part_of_a_moment_says_little_of_the_pace(
    seconds: float, least: float, most: float, every: list[Part]
) -> None:
    schedule = Schedule(named(every, "go etcd", "go istio"), 2)
    schedule.done("go etcd", seconds)
    assert least * 121 < schedule.left() < most * 121


def test_quick_downloads_promise_no_quick_compiler(every: list[Part]) -> None:
    schedule = Schedule([part for part in every if part.kind in ("toolchain", "debian", "go")], len(every))
    compiling = sum(share(part) for part in every if part.kind == "go")
    for part in every:
        if part.kind in ("toolchain", "debian"):
            schedule.done(part.name, 1)
    assert schedule.left() == compiling


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "less than a minute"), (44, "less than a minute"), (45, "about 1 minute"), (95, "about 2 minutes")],
)
def test_time_is_said_roughly(seconds: float, said: str) -> None:
    assert minutes(seconds) == said


def test_registries_are_named(every: list[Part]) -> None:
    assert needs(every) == ["the Go module proxy", "Debian's packages", "PyPI"]
    assert needs(named(every, "image etcd")) == []
    assert needs(named(every, "toolchain go")) == ["PyPI"]
