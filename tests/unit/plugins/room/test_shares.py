"""What a place of a class may have of the nodes, by the number of students."""

from __future__ import annotations

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import shares
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.shares import class_shares


@pytest.mark.parametrize(
    ("students", "cores", "cpu", "proxy_cpu", "load_rate", "probe_seconds"),
    [
        # Plenty: what a room's own application has.
        (1, 2, "20m", "10m", 5, 2),
        (4, 2, "20m", "10m", 5, 2),
        (5, 2, "16m", "8m", 5, 2),
        (10, 2, "8m", "4m", 5, 2),
        (15, 2, "6m", "2m", 3, 3),
        (30, 2, "3m", "1m", 1, 5),
        (53, 2, "1m", "1m", 1, 9),
        (30, 8, "19m", "9m", 5, 2),
        (250, 64, "20m", "10m", 5, 2),
    ],
)
def test_they_follow_from_the_number_of_students(
    students: int, cores: int, cpu: str, proxy_cpu: str, load_rate: int, probe_seconds: int
) -> None:
    assert class_shares(students, cores) == {
        "cpu": cpu,
        "proxy_cpu": proxy_cpu,
        "load_rate": load_rate,
        "probe_seconds": probe_seconds,
    }


@pytest.mark.parametrize("cores", [2, 3, 4, 8, 16])
def test_all_of_them_fit_and_none_has_more_than_before(cores: int) -> None:
    before: tuple[int, ...] | None = None
    for students in range(1, 54):
        found = class_shares(students, cores)
        cpu, proxy = (int(str(found[name]).removesuffix("m")) for name in ("cpu", "proxy_cpu"))
        asked = students * shares.PODS * (cpu + shares.PROXIES * proxy)
        assert asked <= (cores * 1000 - shares.TAKEN) * shares.USED
        assert cpu >= 1
        assert proxy >= 1
        assert int(found["load_rate"]) >= 1
        now = (cpu + shares.PROXIES * proxy, int(found["load_rate"]), -int(found["probe_seconds"]))
        assert before is None or all(less <= more for less, more in zip(now, before, strict=True))
        before = now


@pytest.mark.parametrize(("rate", "found"), [(0, 0), (3, 3), (100, 10)])
def test_a_rate_that_was_set_is_the_most(rate: int, found: int) -> None:
    assert class_shares(5, 2, rate=rate)["load_rate"] == found


@pytest.mark.parametrize(
    ("students", "cores", "taken", "said"),
    [
        (
            54,
            2,
            1000,
            "54 students do not fit on 2 cores, of which 1000 thousandths of a core are taken: at most 53 do.",
        ),
        (1, 1, 1000, "at most 0 do"),
        (3, 2, 1960, "at most 2 do"),
        (1, 2, 5000, "at most 0 do"),
        (0, 2, 1000, "0 students on 2 cores are no class"),
        (1, 0, 1000, "1 students on 0 cores are no class"),
    ],
)
def test_too_many_are_refused_with_how_many_would_fit(students: int, cores: int, taken: int, said: str) -> None:
    with pytest.raises(shares.ShareError, match=said):
        class_shares(students, cores, taken=taken)
