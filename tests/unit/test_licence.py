"""One licence, said everywhere alike; those of the bundle's parts are listed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
HEADER = "# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)"
PLUGINS = sorted(path for path in ROOT.glob("plugins/**/*.py") if path.stat().st_size)


def test_the_collection_names_its_licence() -> None:
    assert yaml.safe_load((ROOT / "galaxy.yml").read_text())["license"] == ["GPL-3.0-or-later"]
    assert "GNU GENERAL PUBLIC LICENSE\n                       Version 3" in (ROOT / "LICENSE").read_text()


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_plugin_bears_it(path: Path) -> None:
    assert HEADER in path.read_text().splitlines()[:2]


def test_every_part_of_the_bundle_is_listed() -> None:
    recipes = yaml.safe_load((ROOT / "supply/recipes.yml").read_text())
    pins = yaml.safe_load((ROOT / "supply/pins.yml").read_text())
    parts = {"go", *recipes["go"], *recipes["debian"], "services", *pins["pypi"]}
    listed = re.findall(r"^\| ([\w-]+) \|", (ROOT / "NOTICE.md").read_text(), re.MULTILINE)
    assert sorted(set(listed) - {"part", "---"}) == sorted(parts)
