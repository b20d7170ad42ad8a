# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judge a measured split of requests by an exact binomial test, two-sided.

The test is right for any number of requests, also where few are expected of a version. Its false-alarm rate is the
chance that a split which is as it was asked for is called dishonoured.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

FALSE_ALARM_RATE = 0.001
# A split that is so many points off is found with this chance.
POINTS_OFF, POWER = 10, 0.99
# 95 % of the measurements of a percentage lie within so many points of it: (percent, points), linear between.
WITHIN_POINTS = ((1, 0.5), (10, 3.0), (50, 5.0))
# 99 % odds of seeing at least one request of a version that gets 1 % of them: log(0.01) / log(0.99).
TO_SEE_ONE_PERCENT = 459

HONOURED, NOT_HONOURED, TOO_FEW = "honoured", "not honoured", "too few requests"


@dataclass(frozen=True)
class Verdict:
    """What a measured split says about what was asked for.

    Attributes:
        verdict: HONOURED, NOT_HONOURED or TOO_FEW.
        more: requests that are still needed when there were too few.
        p_value: chance of a measurement as unlikely as this one if the split is honoured.
        reason: why, for people.
    """

    verdict: str
    more: int
    p_value: float
    reason: str


def rarest(expected: Mapping[str, int]) -> str:
    """Name the version that is asked for least, and at all: the other one mirrors it."""
    return min((version for version, share in expected.items() if share), key=lambda name: (expected[name], name))


def judge(expected: Mapping[str, int], answered: Mapping[str, int]) -> Verdict:
    """Compare answers by version with the percentages that were asked for: of one version, or of two."""
    total = sum(answered.values())
    strangers = sorted(version for version, count in answered.items() if count and not expected.get(version))
    if strangers:
        counts = ", ".join(f"{answered[version]} from {version}" for version in strangers)
        return Verdict(NOT_HONOURED, 0, 0.0, f"{counts}, of {total} answers, must be none")
    version = rarest(expected)
    share, count = expected[version], answered.get(version, 0)
    p_value = p_values(share, total)[count]
    shown = f"{version} answered {count} of {total}, asked for {share} %, p = {p_value:.2g}"
    if p_value < FALSE_ALARM_RATE:
        return Verdict(NOT_HONOURED, 0, p_value, f"{shown}, below {FALSE_ALARM_RATE:g}")
    more = max(0, requests_needed(share) - total)
    return Verdict(TOO_FEW if more else HONOURED, more, p_value, shown)


@cache
def requests_needed(percent: int) -> int:
    """How many requests a verdict on this percentage takes (0 to 100)."""
    smaller = min(percent, 100 - percent)
    if not smaller:
        return TO_SEE_ONE_PERCENT
    share, within = smaller / 100, _within(smaller) / 100
    needed = max(math.ceil(1.96**2 * share * (1 - share) / within**2), _for_power(smaller))
    # The power of an exact test goes up and down a little from one number to the next.
    while power(smaller, POINTS_OFF, needed) < POWER:
        needed += 1
    return needed


def power(percent: int, off: int, requests: int) -> float:
    """The chance that so many requests show a split to be off by so many points."""
    real = zip(chances(percent + off, requests), p_values(percent, requests), strict=True)
    return math.fsum(chance for chance, p_value in real if p_value < FALSE_ALARM_RATE)


def p_values(percent: int, requests: int) -> list[float]:
    """Give the exact two-sided p-value of each count from 0 to `requests`: scipy.stats.binomtest's.

    It is the chance of all counts that are at most as likely; a hair of tolerance for those that are just as likely.
    """
    found = chances(percent, requests)
    ordered = sorted(found)
    sums = list(itertools.accumulate(ordered))
    return [min(1.0, sums[bisect.bisect_right(ordered, chance * (1 + 1e-7)) - 1]) for chance in found]


def chances(percent: int, requests: int) -> list[float]:
    """Give the chance of each count from 0 to `requests`, of which each comes with a chance of `percent`.

    The binomial distribution, B(n, k) p^k (1-p)^(n-k), by logarithms: its factorials have no end. scipy.stats.binom
    says the same (tests/unit/plugins/test_split.py), and is, with numpy, an eighth of a kit.

    >>> [round(chance, 6) for chance in chances(20, 2)]
    [0.64, 0.32, 0.04]
    """
    if percent in (0, 100):
        return [float(count == requests * percent // 100) for count in range(requests + 1)]
    ways = [math.lgamma(count + 1) for count in range(requests + 1)]
    one, other = math.log(percent / 100), math.log1p(-percent / 100)
    return [
        math.exp(ways[requests] - ways[count] - ways[requests - count] + count * one + (requests - count) * other)
        for count in range(requests + 1)
    ]


def _within(percent: int) -> float:
    for (low, low_points), (high, high_points) in itertools.pairwise(WITHIN_POINTS):
        if percent <= high:
            return low_points + (high_points - low_points) * (percent - low) / (high - low)
    return WITHIN_POINTS[-1][1]


def _for_power(percent: int) -> int:
    """The number of requests at which a split that is POINTS_OFF, towards the middle, is found with POWER."""
    low, high = 1, 4096
    while low < high:
        middle = (low + high) // 2
        if power(percent, POINTS_OFF, middle) >= POWER:
            high = middle
        else:
            low = middle + 1
    return low


def sentence(subject: str, verdict: Verdict) -> str:
    """Put a verdict into words."""
    more = f": {verdict.more} more are needed" if verdict.more else ""
    return f"{subject}: {verdict.verdict}{more} ({verdict.reason})"


def as_result(verdict: Verdict) -> dict[str, Any]:
    """Give a verdict for a plugin's result."""
    return {
        "verdict": verdict.verdict,
        "more": verdict.more,
        "p_value": verdict.p_value,
        "false_alarm_rate": FALSE_ALARM_RATE,
    }
