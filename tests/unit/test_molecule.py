"""What the molecule scenarios promise."""

from __future__ import annotations

from itertools import pairwise, product
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def test_the_walk_takes_every_ordered_pair_of_stages_once() -> None:
    *_, play = yaml.safe_load((ROOT / "molecule/stages/verify.yml").read_text())
    numbers = [int(digit) for digit in play["vars"]["walk"]]
    pairs = list(pairwise(numbers))
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == set(product(range(len(play["vars"]["stages"])), repeat=2))


def test_the_walk_knows_every_stage() -> None:
    *_, play = yaml.safe_load((ROOT / "molecule/stages/verify.yml").read_text())
    stages = ROOT / "roles/traffic/tasks"
    names = {Path(stage["play"]).stem for stage in play["vars"]["stages"]}
    internal = {"stage", "deploy", "retire", "prove", "status"}
    assert names == {path.stem for path in stages.glob("*.yml")} - internal
