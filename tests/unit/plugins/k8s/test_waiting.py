"""Waiting, with a clock of its own: when it ends, why, and what a person is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.waiting import (
    HOPELESS,
    ONLY_TOLD,
    Look,
    Trouble,
    WaitError,
    Waiting,
)

READY, NOT_READY = Look(True, "1 of 1 ready"), Look(False, "0 of 1 ready")
SILENT = KubernetesError("The cluster at x cannot be reached: no answer.", transient=True)


def troubled(reason: str = "ErrImagePull", patience: float = 30, about: str = "pod p") -> Look:
    return Look(False, "0 of 1 ready", Trouble(f"it is {reason}", patience, about, reason))


class Clock:
    """What is to be seen at each time: from a second on, until the next."""

    def __init__(self, api: Any, sights: Mapping[float, Look | Exception], takes: float = 0.0) -> None:
        self.now, self.said, self.sights, self.takes = 0.0, list[tuple[float, str]](), sights, takes
        self.waiting = Waiting(api, lambda text: self.said.append((self.now, text)), self.sleep, lambda: self.now)

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds

    def look(self) -> dict[str, Look]:
        seen = self.sights[max(second for second in self.sights if second <= self.now)]
        self.now += self.takes
        if isinstance(seen, Exception):
            raise seen
        return {"aleph": seen}

    def wait(self, timeout: float = 100) -> None:
        self.waiting.until(self.look, timeout)


@pytest.mark.parametrize(
    ("sights", "ends"),
    [
        ({0: READY}, 0),
        ({0: NOT_READY, 7: READY}, 7),
        # A trouble that mends itself in its time, however late it begins.
        ({0: troubled(), 29: READY}, 29),
        ({0: NOT_READY, 60: troubled(), 89: READY}, 89),
        # Its time begins anew when it is another trouble, or has passed meanwhile.
        ({0: troubled("ErrImagePull"), 20: troubled("Crash"), 45: READY}, 45),
        ({0: troubled(), 20: troubled(about="pod q"), 45: READY}, 45),
        ({0: troubled(), 20: NOT_READY, 21: troubled(), 45: READY}, 45),
        # What only explains never ends a wait.
        ({0: troubled(patience=ONLY_TOLD), 99: READY}, 99),
        # Silence of the API server is no trouble of what is waited for, and no trouble lasts through it.
        ({0: NOT_READY, 3: SILENT, 63: READY}, 63),
        ({0: troubled(), 3: SILENT, 63: troubled(), 80: READY}, 80),
    ],
)
def test_it_returns_as_soon_as_all_is_done(api: Any, sights: dict[float, Look | Exception], ends: float) -> None:
    clock = Clock(api, sights)
    clock.wait()
    assert clock.now == ends


@pytest.mark.parametrize(
    ("sights", "ends", "late", "text"),
    [
        ({0: troubled(patience=HOPELESS)}, 0, False, "aleph is not done: 0 of 1 ready: it is ErrImagePull"),
        ({0: NOT_READY, 7: troubled(patience=HOPELESS)}, 7, False, "it is ErrImagePull"),
        ({0: troubled()}, 30, False, "it is ErrImagePull"),
        ({0: NOT_READY, 60: troubled()}, 90, False, "it is ErrImagePull"),
        ({0: NOT_READY}, 100, True, "aleph is not done after 100 s: 0 of 1 ready"),
        ({0: NOT_READY, 90: troubled()}, 100, True, "after 100 s: 0 of 1 ready: it is ErrImagePull"),
        ({0: troubled(patience=ONLY_TOLD)}, 100, True, "it is ErrImagePull"),
        ({0: NOT_READY, 60: SILENT}, 100, True, "The cluster at x cannot be reached: no answer"),
        ({0: SILENT}, 100, True, "nothing could be seen of it: The cluster at x cannot be reached: no answer"),
    ],
)
def test_it_ends_with_the_cause(
    api: Any, sights: dict[float, Look | Exception], ends: float, late: bool, text: str
) -> None:
    clock = Clock(api, sights)
    with pytest.raises(WaitError) as failed:
        clock.wait()
    assert (clock.now, failed.value.late) == (ends, late)
    assert text in str(failed.value)


def test_what_is_no_matter_of_time_ends_it_at_once(api: Any) -> None:
    clock = Clock(api, {0: NOT_READY, 5: KubernetesError("forbidden", 403)})
    with pytest.raises(KubernetesError, match="forbidden"):
        clock.wait()
    assert clock.now == 5


@pytest.mark.parametrize("takes", [0.0, 9.5, 30.0])
def test_the_deadline_is_the_clocks_however_long_a_look_takes(api: Any, takes: float) -> None:
    clock = Clock(api, {0: NOT_READY}, takes)
    with pytest.raises(WaitError):
        clock.wait(timeout=60)
    assert 60 <= clock.now <= 60 + takes


def test_a_person_is_told_what_is_new_and_what_goes_on(api: Any) -> None:
    clock = Clock(api, {0: NOT_READY, 13: troubled(), 26: READY})
    clock.wait()
    assert clock.said == [
        (0, "aleph: 0 of 1 ready"),
        (10, "aleph: 0 of 1 ready, 10 of at most 100 s"),
        (13, "aleph: 0 of 1 ready: it is ErrImagePull"),
        (23, "aleph: 0 of 1 ready, 23 of at most 100 s: it is ErrImagePull"),
        (26, "aleph: 1 of 1 ready"),
    ]


def test_what_only_explains_is_told_when_it_lasts(api: Any) -> None:
    clock = Clock(api, {0: troubled("NotReady", ONLY_TOLD), 12: READY})
    clock.wait()
    assert clock.said == [
        (0, "aleph: 0 of 1 ready"),
        (10, "aleph: 0 of 1 ready, 10 of at most 100 s: it is NotReady"),
        (12, "aleph: 1 of 1 ready"),
    ]


def test_what_needs_no_waiting_is_no_news(api: Any) -> None:
    clock = Clock(api, {0: READY})
    clock.wait()
    assert clock.said == []


def test_several_things_are_waited_for_together(api: Any) -> None:
    clock = Clock(api, {})
    looks: list[Callable[[], Look]] = [
        lambda: READY if clock.now >= 5 else NOT_READY,
        lambda: READY if clock.now >= 3 else NOT_READY,
    ]
    clock.waiting.until(lambda: {name: look() for name, look in zip(("a", "b"), looks, strict=True)}, 100)
    assert clock.now == 5
    assert clock.said == [
        (0, "a: 0 of 1 ready"),
        (0, "b: 0 of 1 ready"),
        (3, "b: 1 of 1 ready"),
        (5, "a: 1 of 1 ready"),
    ]
