"""A proxy holds what it must: routes in the words of who asked for them, and of a trial's only the trial's own."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plugins.traffic.conftest import goal

from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import routes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.expectation import View, difference
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.route_effects import as_asked
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.routes import Route
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import TRIAL_HEADER, virtual_service
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.writer import Callee, expectations

CALLEE = Callee("aleph", 80, ("front",))
BY_HAND = {"route": [{"destination": {"host": "aleph", "subset": "v01"}}]}
TO_V01 = (("v01", 100.0),)
TRIAL = {"match": [{"headers": {TRIAL_HEADER: {"regex": "token-v03"}}}], "retries": {"attempts": 0}}


def lacks(http: list[dict[str, Any]], held: list[Route]) -> str | None:
    service = virtual_service(goal("rollout", 20))
    wanted = {**service, "spec": {"hosts": ["aleph"], "http": http}}
    (expected,) = expectations([wanted], [CALLEE])
    return difference(expected, View(held, {}), {})


@pytest.mark.parametrize(
    ("retries", "held", "holds"),
    [
        # Nothing is said: the mesh's own, whatever its configuration makes of it.
        (None, "tried again up to 2 times when it fails", True),
        (None, "tried again up to 5 times when it fails", True),
        (None, "", True),
        ({"attempts": 0}, "", True),
        ({"attempts": 0}, "tried again up to 2 times when it fails", False),
        ({"attempts": 3}, "tried again up to 3 times when it fails", True),
        ({"attempts": 3}, "tried again up to 2 times when it fails", False),
        ({"attempts": 3}, "", False),
    ],
)
def test_how_often_the_mesh_tries_again_is_its_own_business(
    retries: dict[str, int] | None, held: str, holds: bool
) -> None:
    asked = BY_HAND | ({"retries": retries} if retries else {})
    assert (lacks([asked], [Route(shares=TO_V01, besides=(held,) if held else ())]) is None) is holds


def test_what_is_done_besides_must_be_the_same() -> None:
    asked = BY_HAND | {"timeout": "3s"}
    again = "tried again up to 2 times when it fails"
    assert lacks([asked], [Route(shares=TO_V01, besides=("given up after 3 s", again))]) is None
    assert lacks([asked], [Route(shares=TO_V01, besides=("given up after 4 s", again))])
    assert lacks([asked], [Route(shares=TO_V01, besides=(again, "with a CORS policy"))])


def test_behind_a_trial_anything_may_stand() -> None:
    trial = TRIAL | {"route": [{"destination": {"host": "aleph", "subset": "v03"}}]}
    (own,) = routes.of_virtual_service({"spec": {"hosts": ["aleph"], "http": [trial]}, "metadata": {"name": "aleph"}})
    odd = {"match": [{"sourceLabels": {"app": "nobody"}}], **BY_HAND}
    assert lacks([trial, odd, BY_HAND], [own, Route(shares=TO_V01)]) is None
    assert lacks([trial, odd, BY_HAND], [Route(shares=TO_V01)])
    assert lacks([trial, odd, BY_HAND], [])


def test_words_stay_in_their_order() -> None:
    mesh = "tried again when it fails, as the mesh does by default"
    assert as_asked(("a", "tried again up to 2 times when it fails", "b"), ("a", mesh, "b")) == ("a", mesh, "b")
    assert as_asked(("a",), ("b",)) == ("a",)
