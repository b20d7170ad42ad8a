"""Of an object's events only the last word counts, and not every warning ends a wait."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.events import Events
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.pods import trouble

LATER = {"resourceVersion": "12"}
POD = {"metadata": {"name": "p", "uid": "1"}, "spec": {}, "status": {"phase": "Pending"}}


def event(
    reason: str,
    kind: str = "Pod",
    name: str = "p",
    uid: str = "1",
    message: str = "why",
    at: str = "10:00:01",
    **more: Any,
) -> dict[str, Any]:
    return {
        "metadata": {"resourceVersion": "9"},
        "involvedObject": {"kind": kind, "name": name, "uid": uid},
        "type": "Normal" if reason in ("Scheduled", "Pulling", "SuccessfulCreate") else "Warning",
        "reason": reason,
        "message": message,
        "lastTimestamp": f"2026-01-01T{at}Z",
        **more,
    }


@pytest.mark.parametrize(
    ("events", "sentence"),
    [
        ([], None),
        ([event("FailedMount", message="no\nsuch secret")], "no such secret (FailedMount)"),
        ([event("FailedMount"), event("Pulling", at="10:00:02")], None),
        ([event("Pulling", at="10:00:02"), event("FailedMount")], None),
        ([event("Pulling"), event("FailedMount", at="10:00:02")], "why (FailedMount)"),
        # In the same second the later written one counts; in the same look, the scheduler's finer clock.
        ([event("Pulling", metadata=LATER), event("FailedMount")], None),
        ([event("Pulling"), event("FailedMount", metadata=LATER)], "why (FailedMount)"),
        (
            [
                event("Scheduled", lastTimestamp=None, eventTime="2026-01-01T10:00:01.500000Z"),
                event("FailedScheduling", lastTimestamp=None, eventTime="2026-01-01T10:00:01Z"),
            ],
            None,
        ),
        # Another pod of the same name, another object.
        ([event("FailedMount", uid="0")], None),
        ([event("FailedMount", name="q")], None),
        ([event("FailedMount", kind="Job")], None),
    ],
)
def test_the_last_word_about_an_object_counts(events: list[dict[str, Any]], sentence: str | None) -> None:
    found = Events(events).trouble("Pod", POD)
    assert (found and found.sentence) == sentence


@pytest.mark.parametrize(
    ("reason", "message", "patience"),
    [
        ("FailedCreate", "exceeded quota: q", 30),
        ("FailedCreate", "violates PodSecurity restricted", 0),
        ("FailedCreate", 'failed calling webhook "rev.istio.io"', 60),
        ("FailedMount", "m", 60),
        ("FailedAttachVolume", "m", 120),
        ("FailedCreatePodSandBox", "m", 60),
        ("Unhealthy", "m", float("inf")),
        ("AnythingNew", "m", float("inf")),
    ],
)
def test_how_long_a_warning_is_borne(reason: str, message: str, patience: float) -> None:
    found = Events([event(reason, message=message)]).trouble("Pod", POD)
    assert found is not None
    assert found.patience == patience


def test_a_pod_that_is_being_created_is_explained() -> None:
    events = Events([event("FailedMount", message='secret "tls" not found')])
    found = trouble(POD, events)
    assert found is not None
    assert (found.sentence, found.about) == ('secret "tls" not found (FailedMount)', "pod p")
    assert trouble({**POD, "status": {"phase": "Running"}}, events) is None


def test_a_volume_that_is_not_made_says_why_no_node_takes_the_pod() -> None:
    unscheduled = {
        **POD,
        "spec": {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]},
        "status": {"conditions": [{"type": "PodScheduled", "status": "False", "message": "unbound claims"}]},
    }
    events = [event("ProvisioningFailed", "PersistentVolumeClaim", "data", uid="7", message="no such class")]
    for known, why in ((events, "no such class (ProvisioningFailed)"), ([], "unbound claims")):
        found = trouble(unscheduled, Events(known))
        assert found is not None
        assert (found.sentence, found.patience) == (f"no node takes it: {why}", 120)


def test_who_may_not_read_events_does_without(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object, **__: object) -> None:
        raise KubernetesError("forbidden", 403)

    monkeypatch.setattr(api, "items", refuses)
    assert Events.read(api, "staging").trouble("Pod", POD) is None
