"""Copies are counted where they arrive."""

from __future__ import annotations

from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.mirror import (
    Mirrors,
    Received,
    of_statistics,
)


def statistics(completed: int, failed: int) -> dict[str, Any]:
    """What a proxy says of its own application; it counts each request under a second name, too."""
    names = {"upstream_rq_completed": completed, "upstream_rq_5xx": failed, "external.upstream_rq_completed": completed}
    return {"stats": [{"name": f"cluster.inbound|8080||;.{name}", "value": value} for name, value in names.items()]}


def test_each_request_counts_once() -> None:
    assert of_statistics(statistics(10, 4)) == Received(10, 4)
    assert of_statistics({}) == Received()


def test_the_last_copies_are_waited_for(api: Any) -> None:
    path = "/api/v1/namespaces/staging/pods/aleph-3"
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    api.put(path, metadata={"labels": {"app": "aleph", "version": "v03"}}, status=ready)
    answers = [statistics(50, 0), statistics(120, 7), statistics(150, 9)]
    slept: list[float] = []

    class FakeAdmin:
        def get(self, _path: str) -> dict[str, Any]:
            return answers.pop(0)

        def close(self) -> None:
            pass

    mirrors = Mirrors(api, "staging", slept.append, lambda *_: FakeAdmin())  # type: ignore[arg-type]
    before = mirrors.received({"aleph": "v03"})
    assert before == {"aleph": Received(50, 0)}
    assert mirrors.arrived({"aleph": "v03"}, before, {"aleph": 100}) == {"aleph": Received(100, 9)}
    assert slept == [0.5]


def test_a_pod_that_started_anew_counts_from_nothing() -> None:
    assert Received(3, 1).since(Received(50, 0)) == Received(0, 1)
