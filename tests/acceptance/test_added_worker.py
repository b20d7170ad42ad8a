"""A worker that is added later disturbs nothing."""

from __future__ import annotations

import dataclasses

from tests.acceptance.own_client import OwnClient
from tests.acceptance.room import Room

ALONE = Room("grows", api_port=26491, registry_port=32361, front_port=30361)
GROWN = dataclasses.replace(ALONE, workers=1)
PODS = "custom-columns=:.metadata.namespace,:.metadata.name,:.status.containerStatuses[*].restartCount,:.metadata.uid"


def pods() -> set[str]:
    """Every pod, with how often its containers were restarted."""
    return set(ALONE.kubectl("get", "pods", "--all-namespaces", "--no-headers", f"--output={PODS}").splitlines())


def test_a_worker_is_added_without_a_restart_or_a_failed_request() -> None:
    try:
        ALONE.must("site.yml")
        before = pods()
        with OwnClient(ALONE.front_port) as own:
            GROWN.must("site.yml")
        assert before <= pods()
        assert own.losses() == []
        assert len(own.asked()) > 50
        nodes = GROWN.kubectl("get", "nodes", "--output=jsonpath={.items[*].metadata.name}")
        assert nodes.split() == ["control-plane", "worker-1"]
        assert GROWN.must("site.yml").changed == 0
    finally:
        GROWN.must("playbooks/teardown.yml")
