"""A write that nobody has judged is done again, and no other."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.appliance import once_judged
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.waiting import Waiting

UNJUDGED = KubernetesError(
    "The cluster cannot do it now.", 500, said='failed calling webhook "validation.istio.io": connection reset'
)
INVALID = KubernetesError("The cluster refused it.", 422, said='admission webhook "validation.istio.io" denied it')


class Time:
    def __init__(self, api: Any, *refusals: KubernetesError) -> None:
        self.api = api
        self.now, self.done, self.refusals = 0.0, 0, list(refusals)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def write(self) -> str:
        self.done += 1
        if self.refusals:
            raise self.refusals.pop(0)
        return "written"

    def play(self) -> str:
        waiting = Waiting(self.api, lambda _: None, self.sleep, lambda: self.now)
        return once_judged(waiting, "writing it", self.write)


def test_a_webhook_that_restarts_is_waited_for(api: Any) -> None:
    time = Time(api, UNJUDGED, UNJUDGED)
    assert time.play() == "written"
    assert (time.done, time.now) == (3, 2)


@pytest.mark.parametrize(("refusals", "seconds"), [([INVALID], 0), ([UNJUDGED] * 1000, 90)])
def test_what_was_refused_is_not_tried_again_nor_for_ever(
    api: Any, refusals: list[KubernetesError], seconds: float
) -> None:
    time = Time(api, *refusals)
    with pytest.raises(KubernetesError):
        time.play()
    assert time.now == seconds
