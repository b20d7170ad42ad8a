"""What is remembered of a stage: written and read back, spoilt by hand, and as older rooms have it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.records import (
    STAGES,
    Record,
    read_past,
    read_record,
)

PROMOTED = Record("promote", "0.3", None, ("0.1", "0.2"))
HALF = Record("rollout", "0.1", "0.3", (), 50)
PREFIX = "workshop.istio-games/"


def item(annotations: dict[str, Any] | None) -> dict[str, Any]:
    return {"metadata": {"annotations": annotations}}


@pytest.mark.parametrize(
    "record",
    [
        *(Record(stage, "1.0-RC1", "11.0") for stage in STAGES),
        PROMOTED,
        HALF,
        replace(HALF, weight=0),
        replace(HALF, weight=100),
        replace(HALF, proved=False, before=PROMOTED),
        Record("baseline", "0.1", proved=False, before=HALF),
    ],
)
def test_a_record_is_read_as_it_was_written(record: Record) -> None:
    assert read_record(item(record.annotations)) == record
    past = Record(
        "promote" if record.stage == "promote" and record.proved else "baseline",
        record.stable,
        previous=record.previous,
    )
    assert read_past(item(record.past), [record.stable]) == past
    assert read_past(item(record.past), ["another"]) is None


def test_the_annotations_are_what_other_rooms_read() -> None:
    assert replace(HALF, proved=False, before=replace(PROMOTED, before=HALF)).annotations == {
        PREFIX + "stage": "rollout",
        PREFIX + "stable": "0.1",
        PREFIX + "candidate": "0.3",
        PREFIX + "weight": "50",
        PREFIX + "proved": "false",
        # Of what is before that, nothing is kept: one step back is enough.
        PREFIX + "before": json.dumps(asdict(PROMOTED)),
    }
    assert PROMOTED.annotations == {
        PREFIX + "stage": "promote",
        PREFIX + "stable": "0.3",
        PREFIX + "previous": "0.1,0.2",
        PREFIX + "proved": "true",
    }


@pytest.mark.parametrize(
    ("annotations", "record"),
    [
        (None, None),
        ({}, None),
        ({"stage": "rollout"}, None),
        ({"stage": "canary", "stable": "0.1"}, None),
        ({"stage": "rollout", "stable": ""}, None),
        # Rooms of before the record had a past.
        ({"stage": "promote", "versions": "0.3"}, Record("promote", "0.3")),
        ({"stage": "rollout", "versions": "0.1,0.3", "weight": "20"}, Record("rollout", "0.1", "0.3", (), 20)),
        ({"stage": "baseline", "versions": ","}, None),
        # Spoilt by hand.
        ({"stage": "rollout", "stable": "0.1", "weight": "²"}, Record("rollout", "0.1")),
        ({"stage": "rollout", "stable": "0.1", "weight": "-1"}, Record("rollout", "0.1")),
        ({"stage": "rollout", "stable": "0.1", "weight": "101"}, Record("rollout", "0.1")),
        ({"stage": "rollout", "stable": "0.1", "proved": "maybe"}, Record("rollout", "0.1", proved=False)),
        ({"stage": "rollout", "stable": "0.1", "previous": ",0.2,"}, Record("rollout", "0.1", None, ("0.2",))),
    ],
)
def test_what_older_rooms_and_people_have_written(annotations: dict[str, str] | None, record: Record | None) -> None:
    found = annotations and {PREFIX + name: value for name, value in annotations.items()}
    assert read_record(item(found)) == record
    assert read_record(item({**(found or {}), "kubectl.kubernetes.io/stage": "x"})) == record


@pytest.mark.parametrize(
    "before",
    [
        "",
        "{",
        "null",
        "5",
        "[]",
        "{}",
        json.dumps({**asdict(HALF), "stage": "canary"}),
        json.dumps({**asdict(HALF), "stable": 5}),
        json.dumps({**asdict(HALF), "stable": ""}),
        json.dumps({**asdict(HALF), "candidate": 5}),
        json.dumps({**asdict(HALF), "previous": [5]}),
        json.dumps({**asdict(HALF), "previous": 5}),
        json.dumps({**asdict(HALF), "weight": "50"}),
        json.dumps({**asdict(HALF), "weight": 101}),
        json.dumps({**asdict(HALF), "weight": -1}),
        json.dumps({**asdict(HALF), "proved": "false"}),
        json.dumps({**asdict(HALF), "more": 1}),
    ],
)
def test_what_is_no_record_is_not_gone_back_to(before: str) -> None:
    annotations = {**replace(HALF, proved=False).annotations, PREFIX + "before": before}
    assert read_record(item(annotations)) == replace(HALF, proved=False)


@pytest.mark.parametrize(
    ("record", "tags"),
    [
        (Record("baseline", "0.1", "0.3"), ("0.1",)),
        (Record("promote", "0.3", "0.1"), ("0.3",)),
        (Record("mirror", "0.1", "0.3"), ("0.1", "0.3")),
        (Record("rollout", "0.1", "0.1"), ("0.1",)),
        (Record("rollout", "0.1"), ("0.1",)),
        (Record("promote", "0.1", "0.3", proved=False), ("0.1", "0.3")),
        (Record("promote", "0.1", "0.2", proved=False, before=HALF), ("0.1", "0.3", "0.2")),
        (Record("baseline", "0.1", proved=False, before=PROMOTED), ("0.3", "0.1")),
    ],
)
def test_the_versions_that_run(record: Record, tags: tuple[str, ...]) -> None:
    assert record.tags == tags


@pytest.mark.parametrize("annotations", [None, {}, {PREFIX + "previous": "0.1"}, {PREFIX + "stable": ""}])
def test_a_rule_without_a_stable_version_remembers_nothing(annotations: dict[str, str] | None) -> None:
    assert read_past(item(annotations), ["0.1"]) is None
    assert read_past(None, ["0.1"]) is None
