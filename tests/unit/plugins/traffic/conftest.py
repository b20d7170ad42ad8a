"""What a cluster says of an application with stages, as plain dictionaries."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.live import Live
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import (
    Goal,
    destination_rule,
    virtual_service,
)

SERVICES: list[dict[str, Any]] = [
    {"name": "front", "versions": ["0.3"], "callers": ["outside"]},
    {
        "name": "aleph",
        "port": 80,
        "callers": ["front", "load"],
        "versions": ["0.1"],
        "candidate": "0.3",
        "build": {"versions": [{"tag": "0.1"}, {"tag": "0.2"}, {"tag": "0.3"}]},
    },
    {
        "name": "beth",
        "port": 80,
        "callers": ["front", "load"],
        "versions": ["0.1"],
        "candidate": "0.3",
        "build": {"versions": [{"tag": "0.1"}, {"tag": "0.3"}]},
    },
]


def goal(stage: str, weight: int | None = None, candidate: str = "0.3") -> Goal:
    """The goal of aleph."""
    return Goal("aleph", "staging", stage, "0.1", candidate, weight)


def written(item: dict[str, Any], manager: str = "istio-workshop") -> dict[str, Any]:
    """An object as the cluster gives it back after a write."""
    entry = {"manager": manager, "operation": "Update", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:spec": {}}}
    kept = {part: dict(item["metadata"].get(part) or {}) for part in ("labels", "annotations")}
    return {**item, "metadata": {**item["metadata"], **kept, "resourceVersion": "7", "managedFields": [entry]}}


def deployment(tag: str, ready: int = 1, service: str = "aleph") -> dict[str, Any]:
    """A Deployment of one version."""
    label = "v" + tag.replace(".", "")
    labels = {"app": service, "version": label, "app.kubernetes.io/managed-by": "istio-workshop"}
    image = f"127.0.0.1:32000/istio-games-{service}:{tag}@sha256:0"
    return {
        "metadata": {"name": f"{service}-{label}", "namespace": "staging", "labels": labels, "generation": 1},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": service, "image": image}]}}},
        "status": {
            "observedGeneration": 1,
            "replicas": 1,
            "updatedReplicas": 1,
            "availableReplicas": ready,
            "readyReplicas": ready,
        },
    }


def at(stage: str, weight: int | None = None) -> Live:
    """A cluster in which aleph is at a stage."""
    reached = goal(stage, weight)
    return Live(
        [written(virtual_service(reached))],
        [written(destination_rule("aleph", "staging", reached.tags, reached.record()))],
        [deployment(tag) for tag in reached.tags],
    )


@pytest.fixture
def services() -> list[dict[str, Any]]:
    return SERVICES
