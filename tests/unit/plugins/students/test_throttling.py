"""A place's credit, and what its containers may take when that is used up."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import throttling
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.throttling import Credits


def container(limit: str | None, request: str | None = None, **fields: Any) -> dict[str, Any]:
    resources = {"limits": {"cpu": limit} if limit else {}, "requests": {"cpu": request} if request else {}}
    return {"name": "aleph", "resources": resources, **fields}


def pod(*containers: dict[str, Any], sidecars: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    def statuses(of: tuple[dict[str, Any], ...]) -> list[dict[str, str]]:
        return [{"name": each["name"], "containerID": f"containerd://id-{each['name']}"} for each in of]

    return {
        "metadata": {"name": "pod"},
        "spec": {"containers": [*containers], "initContainers": [*sidecars]},
        "status": {"containerStatuses": statuses(containers), "initContainerStatuses": statuses(sidecars)},
    }


def seconds_until_spent(processors: float, share: float, used: float) -> int | None:
    credits = Credits(processors, share)
    for second in range(1, 1000):
        credits.charge({"anna": used}, 1)
        if credits.spent():
            return second
    return None


# On two processors, of which an eighth is everybody's: how long a place may take so many of them.
SPENT = [(2.0, 6), (1.6, 8), (0.75, 20), (0.25, None), (0.05, None)]


@pytest.mark.parametrize(("used", "seconds"), SPENT)
def test_who_takes_more_than_the_share_has_used_up_the_credit_some_time(used: float, seconds: int | None) -> None:
    assert seconds_until_spent(2, 0.125, used) == seconds
    assert seconds_until_spent(2, 1, used) is None


def bears(credits: Credits, seconds: float) -> bool:
    """Whether a place has more than so many processor-seconds left."""
    tried = copy.deepcopy(credits)
    tried.charge({"anna": seconds}, 0)
    return not tried.spent()


def test_a_credit_comes_back_and_does_not_grow_for_ever() -> None:
    credits = Credits(2, 0.125)
    for _ in range(100):
        credits.charge({"anna": 5.0, "ben": 0.0}, 1)
    assert credits.spent() == {"anna"}
    credits.charge({}, 19)
    assert not bears(credits, 4.9)
    credits.charge({}, 1)
    assert bears(credits, 4.9)
    credits.charge({}, 1000)
    credits.charge({"anna": 10.25}, 1)
    assert credits.spent() == {"anna"}
    credits.fill("anna")
    assert credits.spent() == set()
    assert bears(credits, 9.9)


def test_a_part_of_a_credit() -> None:
    credits = Credits(2, 0.125, seconds=60)
    assert credits.full_after == 480
    credits.charge({"anna": 90.0}, 0)
    assert [credits.has("anna", part) for part in (0.1, 0.25, 0.5)] == [True, True, False]
    assert credits.has("ben", 1)


# How many containers there are, and what they get together (processors): the limit of each (thousandths).
EACH = [(1, 0.25, 250), (10, 0.25, 25), (25, 0.25, 10), (40, 0.25, 10), (40, 2, 50), (0, 0.25, 250)]


@pytest.mark.parametrize(("number", "together", "limit"), EACH)
def test_each_gets_as_much_as_the_others_and_what_probes_need(number: int, together: float, limit: int) -> None:
    assert throttling.each_of(number, together) == limit


# A container's limit and request, the limit that it had before, the one that it is to have (thousandths), and what is
# asked for.
LIMITED = [
    pytest.param("1", "1m", {}, 100, "100m", id="less"),
    pytest.param("40m", "1m", {"aleph": "1"}, 100, "100m", id="more"),
    pytest.param("40m", "1m", {}, 100, None, id="no more than it has"),
    pytest.param("20m", "1m", {"aleph": "50m"}, 100, "50m", id="no more than it had"),
    pytest.param("90m", "1m", {"aleph": "1"}, 100, None, id="about the same"),
    pytest.param(None, None, {}, 100, "100m", id="none"),
    pytest.param("0", None, {}, 100, "100m", id="none, as a kubelet takes it"),
    pytest.param("1", "100m", {}, 20, "101m", id="not as little as it has requested"),
    pytest.param("1", "11e-3", {}, 10, "12m", id="not as little as it has requested, in another way"),
    pytest.param("0.1", "100m", {}, 20, None, id="no more than it has requested"),
]


@pytest.mark.parametrize(("limit", "request_", "had", "amount", "asked"), LIMITED)
def test_a_pod_is_changed_where_that_changes_something(
    limit: str | None, request_: str | None, had: dict[str, str], amount: int, asked: str | None
) -> None:
    found = throttling.limited(pod(container(limit, request_)), amount, had)
    spec = {"containers": [{"name": "aleph", "resources": {"limits": {"cpu": asked}}}]}
    assert found == ({"spec": spec} if asked else None)


# What stands on a pod, and what of it is given back.
REMEMBERED = [
    pytest.param('{"aleph": "1", "istio-proxy": "999e-3"}', {"aleph": "1", "istio-proxy": "999e-3"}, id="limits"),
    pytest.param('{"aleph": null, "beth": "0", "load": "much", "front": "-1"}', {}, id="none"),
    pytest.param(json.dumps({"aleph": "9" * 400}), {}, id="more than there is"),
    *(pytest.param(text, {}, id=text[:8]) for text in ("[" * 60000, "{", "[]", "3", "null", "", '{"aleph": [1]}')),
    pytest.param('{"aleph": ' + "9" * 5000 + "}", {}, id="a number that is none"),
]


@pytest.mark.parametrize(("text", "limits"), REMEMBERED)
def test_what_is_no_limit_is_not_given_back(text: str, limits: dict[str, str]) -> None:
    assert throttling.remembered(text) == limits


def test_sidecars_are_limited_and_what_has_not_begun_or_has_ended_is_not() -> None:
    proxy = container("1", name="istio-proxy", restartPolicy="Always")
    ended = container("1", name="istio-validation")
    item = pod(container("1"), container("1", name="new"), sidecars=(proxy, ended))
    item["status"]["containerStatuses"].pop()
    spec = throttling.limited(item, 50, {})
    assert spec
    assert {part: [each["name"] for each in found] for part, found in spec["spec"].items()} == {
        "containers": ["aleph"],
        "initContainers": ["istio-proxy"],
    }
