"""A namespace that is being deleted is waited for, and what keeps it is said."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.namespaces import wait_for_leaving
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.waiting import Waiting

PATH = "/api/v1/namespaces"
KEPT = {"type": "NamespaceContentRemaining", "status": "True", "message": "pods. has 1 resource instances"}


class Cluster:
    """Removes the namespace `going` after some seconds."""

    def __init__(self, api: Any, seconds: float) -> None:
        self.api, self.seconds, self.now, self.said = api, seconds, 0.0, list[str]()
        api.put(f"{PATH}/staging")
        api.put(f"{PATH}/going", metadata={"deletionTimestamp": "2026-01-01"}, status={"conditions": [KEPT]})

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.now >= self.seconds:
            self.api.objects.pop(f"{PATH}/going", None)

    def wait(self, *names: str) -> None:
        waiting = Waiting(self.api, self.said.append, self.sleep, lambda: self.now)
        wait_for_leaving(self.api, waiting, names, timeout=60)


def test_one_that_is_going_is_waited_for(api: Any) -> None:
    cluster = Cluster(api, 12)
    cluster.wait("staging", "going", "never")
    assert cluster.now == 12
    assert cluster.said[0] == "Namespace going: being deleted; pods. has 1 resource instances"
    assert cluster.said[-1] == "Namespace going: gone"


def test_one_that_stays_or_is_not_there_is_not(api: Any) -> None:
    cluster = Cluster(api, 12)
    cluster.wait("staging", "never")
    assert (cluster.now, cluster.said) == (0, [])


def test_one_that_does_not_go_is_told_with_what_keeps_it(api: Any) -> None:
    with pytest.raises(
        WorkshopError, match=r"^Namespace going is not gone after 60 s \(being deleted; pods\. has 1 resource inst"
    ):
        Cluster(api, 1000).wait("going")
