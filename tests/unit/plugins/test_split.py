"""The verdict on a measured split discriminates, and its false alarms are as rare as it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binom, binomtest
from tests.unit.scripts import load

from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.split import (
    FALSE_ALARM_RATE,
    HONOURED,
    NOT_HONOURED,
    POINTS_OFF,
    POWER,
    TOO_FEW,
    chances,
    judge,
    p_values,
    power,
    requests_needed,
    sentence,
)

BENCH = Path(__file__).resolve().parents[3] / "bench" / "split_statistics"


@pytest.fixture(scope="module")
def bench() -> Any:
    """The script that prints these statistics."""
    return load(BENCH)


@pytest.mark.parametrize("percent", [0, 1, 20, 50, 77, 100])
@pytest.mark.parametrize("requests", [1, 2, 99, 200])
def test_p_values_are_those_of_the_exact_test(percent: int, requests: int) -> None:
    exact = [binomtest(count, requests, percent / 100).pvalue for count in range(requests + 1)]
    values = p_values(percent, requests)
    assert values == pytest.approx(exact, abs=1e-12)
    assert max(values) <= 1


@pytest.mark.parametrize("percent", [0, 1, 20, 50, 77, 100])
@pytest.mark.parametrize("requests", [0, 1, 99, 20_000])
def test_chances_are_those_of_the_binomial_distribution(percent: int, requests: int) -> None:
    known = binom.pmf(range(requests + 1), requests, percent / 100)
    assert chances(percent, requests) == pytest.approx(list(known), rel=1e-6, abs=1e-300)


@pytest.mark.parametrize(
    ("percent", "requests"), [(0, 459), (1, 1522), (10, 387), (50, 786), (90, 387), (99, 1522), (100, 459)]
)
def test_requests_needed(percent: int, requests: int) -> None:
    assert requests_needed(percent) == requests


@pytest.mark.parametrize(("percent", "at_least"), [(1, 1522), (10, 385), (50, 385)])
def test_the_sample_is_never_smaller_than_the_estimate_needs(percent: int, at_least: int) -> None:
    assert requests_needed(percent) >= at_least


def test_every_weight_has_its_power() -> None:
    for percent in range(101):
        needed = requests_needed(percent)
        off = POINTS_OFF if percent <= 50 else -POINTS_OFF
        assert power(percent, off, needed) >= POWER


def test_ten_percent_take_no_more_than_their_power_needs() -> None:
    assert power(10, POINTS_OFF, requests_needed(10) - 1) < POWER


@pytest.mark.parametrize("weight", [0, 1, 5, 10, 20, 50, 80, 99, 100])
def test_false_alarms_are_rare(bench: Any, weight: int) -> None:
    # Of 1,000 honest splits at most 1 is expected; more than 6 is a chance of less than 1 in 10,000.
    assert bench.false_alarms(weight) <= 6


@pytest.mark.parametrize("weight", range(1, 100))
def test_the_false_alarm_rate_is_what_it_is_said_to_be(weight: int) -> None:
    requests = requests_needed(weight)
    rejected = [count for count, p_value in enumerate(p_values(weight, requests)) if p_value < FALSE_ALARM_RATE]
    assert binom.pmf(rejected, requests, weight / 100).sum() <= FALSE_ALARM_RATE


@pytest.mark.parametrize(
    ("weight", "real"), [(50, 60), (50, 40), (20, 30), (20, 10), (1, 11), (99, 89), (0, 1), (80, 70)]
)
def test_dishonoured_splits_are_found(bench: Any, weight: int, real: int) -> None:
    verdicts = [verdict.verdict for verdict in bench.measured(weight, real, requests_needed(weight))]
    # 990 are expected at worst.
    assert verdicts.count(NOT_HONOURED) >= 975


def test_half_and_half_that_is_60_to_40_is_rejected() -> None:
    needed = requests_needed(50)
    verdict = judge({"0.1": 50, "0.3": 50}, {"0.1": round(needed * 0.6), "0.3": round(needed * 0.4)})
    assert verdict.verdict == NOT_HONOURED


@pytest.mark.parametrize(
    ("expected", "answered", "verdict", "more"),
    [
        ({"0.1": 100}, {"0.1": 459}, HONOURED, 0),
        ({"0.1": 100}, {"0.1": 458}, TOO_FEW, 1),
        ({"0.1": 100}, {}, TOO_FEW, 459),
        ({"0.1": 100}, {"0.1": 9999, "0.3": 1}, NOT_HONOURED, 0),
        ({"0.1": 100, "0.3": 0}, {"0.1": 459}, HONOURED, 0),
        ({"0.1": 100, "0.3": 0}, {"0.1": 458, "0.3": 1}, NOT_HONOURED, 0),
        ({"0.1": 80, "0.3": 20}, {"0.1": 470, "0.3": 110}, HONOURED, 0),
        ({"0.1": 80, "0.3": 20}, {"0.1": 470, "0.3": 109, "0.2": 1}, NOT_HONOURED, 0),
        ({"0.1": 80, "0.3": 20}, {"0.1": 110, "0.3": 470}, NOT_HONOURED, 0),
        ({"0.1": 80, "0.3": 20}, {"0.1": 165, "0.3": 35}, TOO_FEW, 380),
        # A few requests are enough to see that it is wrong.
        ({"0.1": 80, "0.3": 20}, {"0.3": 10}, NOT_HONOURED, 0),
        # A version that gets nothing must not hide the two that share.
        ({"0.1": 80, "0.2": 0, "0.3": 20}, {"0.1": 580}, NOT_HONOURED, 0),
        ({"0.1": 99, "0.3": 1}, {"0.1": 1522}, NOT_HONOURED, 0),
    ],
)
def test_verdicts(expected: dict[str, int], answered: dict[str, int], verdict: str, more: int) -> None:
    judged = judge(expected, answered)
    assert (judged.verdict, judged.more) == (verdict, more)


def test_how_many_more_goes_down_with_each_request() -> None:
    needed = requests_needed(20)
    more = [judge({"a": 80, "b": 20}, {"a": total - total // 5, "b": total // 5}).more for total in range(needed + 2)]
    assert more == [*range(needed, 0, -1), 0, 0]


@pytest.mark.parametrize(
    ("answered", "words"),
    [
        (
            {"0.1": 4, "0.3": 1},
            "aleph: too few requests: 575 more are needed (0.3 answered 1 of 5, asked for 20 %, p = 1)",
        ),
        ({"0.1": 9, "0.2": 1}, "aleph: not honoured (1 from 0.2, of 10 answers, must be none)"),
        ({"0.1": 90}, "aleph: not honoured (0.3 answered 0 of 90, asked for 20 %, p = 2.7e-09, below 0.001)"),
    ],
)
def test_a_verdict_in_words(answered: dict[str, int], words: str) -> None:
    assert sentence("aleph", judge({"0.1": 80, "0.3": 20}, answered)) == words
