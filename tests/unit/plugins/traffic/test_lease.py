"""One stage at a time: who is alive is refused by name, who is dead is replaced."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import lease as leases
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.lease import Holder, Lease, LeaseError

ALL = "/apis/coordination.k8s.io/v1/namespaces/staging/leases"
PATH = f"{ALL}/workshop-stage"
ELSEWHERE = Holder("ann", "her-laptop", "another boot", 7, "123", "promote of aleph")


class Leases:
    """Keeps one Lease as an API server does: with versions, which a write must name."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.number = 0
        self.down = False
        self.deadlines: list[float] = []

    @contextmanager
    def until(self, deadline: float) -> Iterator[None]:
        self.deadlines.append(deadline)
        yield
        self.deadlines.pop()

    def find(self, path: str) -> dict[str, Any] | None:
        assert path == PATH
        if self.down:
            # As an API server that is away: whoever names no deadline waits for the whole of his patience.
            assert self.deadlines, "it is waited for without a deadline"
            raise KubernetesError("no answer")
        return json.loads(json.dumps(self.lease))  # type: ignore[no-any-return]

    def create(self, path: str, body: dict[str, Any]) -> None:
        assert path == ALL
        if self.lease is not None:
            raise KubernetesError("exists", 409)
        self._keep(body)

    def merge(self, path: str, body: dict[str, Any]) -> None:
        assert self.lease is not None
        if body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise KubernetesError("changed", 409)
        metadata = {**self.lease["metadata"], **body["metadata"]}
        self._keep({**self.lease, "metadata": metadata, "spec": {**self.lease.get("spec", {}), **body["spec"]}})

    def _keep(self, body: dict[str, Any]) -> None:
        self.number += 1
        self.lease = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.number)}}


class Time:
    """A clock that runs while somebody sleeps, and what happens meanwhile."""

    def __init__(self) -> None:
        self.now = 100.0
        self.said: list[str] = []
        self.happens: Any = lambda: None

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.happens()


@pytest.fixture
def server() -> Leases:
    return Leases()


@pytest.fixture
def time() -> Time:
    return Time()


def lease(server: Leases, time: Time, holder: Holder | None = None) -> Lease:
    who = holder or Holder.this("rollout of aleph")
    return Lease(server, "staging", who, time.said.append, "", time.sleep, lambda: time.now)  # type: ignore[arg-type]


def test_it_names_its_holder_and_is_given_back(server: Leases, time: Time) -> None:
    with lease(server, time).held() as mine:
        assert server.lease is not None
        assert server.lease["spec"]["holderIdentity"]
        mine.check()
    assert server.lease["spec"]["holderIdentity"] is None
    with lease(server, time, ELSEWHERE).held():
        pass


def test_it_is_not_waited_for_to_be_given_back(server: Leases, time: Time) -> None:
    """The API server goes away: who played the stage has read so, and need not wait for what expires by itself."""
    with lease(server, time).held():
        server.down = True
    assert server.lease is not None
    assert server.lease["spec"]["holderIdentity"]


def test_what_somebody_else_has_taken_over_stays_his(server: Leases, time: Time) -> None:
    with lease(server, time).held():
        assert server.lease is not None
        server.lease["spec"]["holderIdentity"] = "another"
    assert server.lease["spec"]["holderIdentity"] == "another"


def test_a_living_holder_refuses_another_by_name(server: Leases, time: Time) -> None:
    with lease(server, time, ELSEWHERE).held() as theirs:
        time.happens = theirs._renew_once
        with pytest.raises(
            LeaseError, match=r"ann on her-laptop \(process 7\) has been at the promote of aleph"
        ) as said:
            lease(server, time)._take()
    assert "in namespace staging since" in str(said.value)
    assert time.now - 100 < 5


def test_a_holder_that_gives_no_sign_of_life_is_replaced_and_named(server: Leases, time: Time) -> None:
    lease(server, time, ELSEWHERE)._take()
    lease(server, time)._take()
    assert time.now - 100 == pytest.approx(leases.DURATION_SECONDS, abs=1)
    assert any("no sign of life" in line for line in time.said)
    assert any("ann on her-laptop (process 7) began the promote of aleph and is gone" in line for line in time.said)


def test_a_holder_that_has_ended_on_this_machine_is_replaced_at_once(server: Leases, time: Time) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        dead = replace(Holder.this("mirror of beth"), process=process.pid, started=leases._start_of(process.pid))
        assert not dead.ended
        lease(server, time, dead)._take()
        process.kill()
    assert dead.ended
    lease(server, time)._take()
    assert time.now == 100


def test_a_later_process_of_the_same_number_is_not_the_holder() -> None:
    mine = Holder.this("baseline")
    assert not mine.ended
    assert replace(mine, started="1").ended
    # A copy of this machine, or a container of it, has the same name, and processes of its own.
    assert not replace(mine, space="another boot", process=os.getpid(), started="1").ended


def test_a_lease_that_says_nothing_is_taken(server: Leases, time: Time) -> None:
    """As `kubectl create` makes it."""
    server.create(ALL, {"metadata": {"name": "workshop-stage"}})
    lease(server, time)._take()
    assert server.lease is not None
    assert server.lease["spec"]["holderIdentity"]
    assert time.now == 100


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 1000660000")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert str(Holder.this("baseline")).startswith(f"user {os.getuid()} on ")


def test_one_that_is_taken_away_stops_its_holder(server: Leases, time: Time) -> None:
    mine = lease(server, time)
    mine._take()
    assert server.lease is not None
    server.lease["spec"]["holderIdentity"] = "another"
    mine._renew_once()
    with pytest.raises(LeaseError, match="no longer this run's"):
        mine.check()


def test_one_that_is_deleted_is_made_again(server: Leases, time: Time) -> None:
    mine = lease(server, time)
    mine._take()
    server.lease = None
    mine._renew_once()
    mine.check()
    assert server.lease is not None


def test_after_a_silence_the_server_is_asked_before_anything_is_written(server: Leases, time: Time) -> None:
    mine = lease(server, time)
    mine._take()
    time.now += 60
    server.down = True
    with pytest.raises(KubernetesError), server.until(0):
        mine.check()
    server.down = False
    mine.check()


def test_of_two_at_the_same_moment_one_gets_it(server: Leases, time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = lease(server, time, ELSEWHERE), lease(server, time)
    create = server.create

    def too_late(path: str, body: dict[str, Any]) -> None:
        monkeypatch.setattr(server, "create", create)
        first._take()
        create(path, body)

    monkeypatch.setattr(server, "create", too_late)
    time.happens = first._renew_once
    with pytest.raises(LeaseError, match="her-laptop"):
        second._take()


def test_a_renewal_that_somebody_forestalls_is_none(
    server: Leases, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new holder writes between our look and our write: the next check must ask again."""
    mine = lease(server, time)
    mine._take()
    time.now += leases.DURATION_SECONDS
    merge = server.merge

    def too_late(path: str, body: dict[str, Any]) -> None:
        assert server.lease is not None
        server.lease["spec"]["holderIdentity"] = "another"
        server._keep(server.lease)
        merge(path, body)

    monkeypatch.setattr(server, "merge", too_late)
    mine._renew_once()
    with pytest.raises(LeaseError, match="no longer this run's"):
        mine.check()
