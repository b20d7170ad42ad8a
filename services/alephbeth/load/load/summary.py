"""What became of many requests, as one JSON object."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from load.client import Outcome

SHOWN_FAILURES = 20


def summary(
    outcomes: Iterable[Outcome], since: float, until: float, expected: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """Sum outcomes up by target.

    Args:
        outcomes: in any order.
        since, until: seconds since 1970 that they are about.
        expected: requests that were due by target; those without an outcome are `missing`.
    """
    by_target: dict[str, list[Outcome]] = {name: [] for name in expected or {}}
    for outcome in outcomes:
        by_target.setdefault(outcome.target, []).append(outcome)
    return {
        "since": round(since, 3),
        "until": round(until, 3),
        "targets": {
            name: _target(
                sorted(found, key=lambda outcome: outcome.sequence), until - since, (expected or {}).get(name)
            )
            for name, found in by_target.items()
        },
    }


def _target(outcomes: Sequence[Outcome], seconds: float, expected: int | None) -> dict[str, Any]:
    failures = [outcome for outcome in outcomes if outcome.failed]
    answered = [outcome for outcome in outcomes if outcome.status is not None]
    latencies = sorted(outcome.latency_ms for outcome in answered)
    sent = len(outcomes) if expected is None else max(expected, len(outcomes))
    return {
        "sent": sent,
        "answered": len(answered),
        "failed": len(failures) + sent - len(outcomes),
        "missing": sent - len(outcomes),
        "rate": round(sent / seconds, 2) if seconds > 0 else None,
        "statuses": {str(status): count for status, count in _counted(outcome.status for outcome in outcomes)},
        "errors": dict(_counted(outcome.error for outcome in outcomes)),
        "versions": dict(_counted(outcome.version for outcome in answered if not outcome.failed)),
        "latency_ms": {
            **{f"p{percent}": _percentile(latencies, percent) for percent in (50, 90, 99)},
            "max": latencies[-1] if latencies else None,
        },
        "failures": [asdict(outcome) for outcome in failures[:SHOWN_FAILURES]],
    }


def _counted(values: Iterable[Any]) -> list[tuple[Any, int]]:
    return sorted(Counter(value for value in values if value is not None).items())


def _percentile(ordered: Sequence[float], percent: int) -> float | None:
    """The smallest value that at least so many percent do not exceed (nearest rank)."""
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)] if ordered else None
