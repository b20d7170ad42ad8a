"""What the molecule scenarios promise."""

from __future__ import annotations

from itertools import pairwise, product
from pathlib import Path
from typing import Any

import jinja2
import yaml

from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.records import STAGES, Record
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import goal, virtual_service

ROOT = Path(__file__).resolve().parents[2]
SCENARIO = ROOT / "molecule/stages"
TAGS = {"v01": "0.1", "v03": "0.3"}
WALK: list[dict[str, str]] = yaml.safe_load((SCENARIO / "vars/walk.yml").read_text())["walk"]


def expected(now: dict[str, str]) -> dict[str, Any]:
    """What the scenario expects of aleph at a step of the walk."""
    template = jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(
        (SCENARIO / "vars/expected.yml").read_text()
    )
    found: dict[str, Any] = yaml.safe_load(template.render(now=now, service="aleph"))
    return found


def test_the_walk_takes_every_ordered_pair_of_stages_once() -> None:
    pairs = list(pairwise(step["stage"] for step in WALK))
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == set(product(STAGES, repeat=2))


def test_the_walk_knows_every_stage() -> None:
    names = {path.stem for path in (ROOT / "roles/traffic/tasks").glob("*.yml")}
    assert names - {"goto", "named", "places", "stage", "status", "verify"} == {step["stage"] for step in WALK}
    assert all((ROOT / f"playbooks/{step['stage']}.yml").is_file() for step in WALK)


def test_what_the_scenario_expects_by_hand_is_what_the_stages_mean() -> None:
    """A table that a room would refuse is found here, in a second."""
    data = {"name": "aleph", "candidate": "0.3", "build": {"versions": [{"tag": tag} for tag in ("0.1", "0.2", "0.3")]}}
    record = Record("baseline", "0.1")
    for now in WALK:
        named = now["stable"] if now["stage"] == "promote" else now["other"]
        reached = goal(now["stage"], data, "staging", record, weight=50, version=TAGS[named])
        record, wanted = reached.record(), expected(now)
        assert (record.stage, record.stable) == (wanted["reached"], TAGS[now["stable"]]), now
        assert virtual_service(reached)["spec"]["http"] == wanted["routes"][record.stage], now
        assert sorted(record.tags) == sorted(TAGS[label] for label in wanted["versions"][record.stage]), now
