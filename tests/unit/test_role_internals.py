"""A role's internals (`__ROLE_x`) are its own: what others may read of it has a public name, and is documented."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").glob("*") if (path / "tasks").is_dir())
INTERNAL = re.compile(r"\b__([a-z]\w*)")
FILES = sorted(
    path
    for pattern in ("playbooks/*.yml", "molecule/**/*.yml", "inventory/**/*.yml", "roles/**/*.yml", "roles/**/*.j2")
    for path in ROOT.glob(pattern)
    if path.is_file()
)


def owner(name: str) -> str | None:
    """Name the role that an internal variable belongs to.

    The longest name counts: `__node_containers_x` is not the role node's.
    """
    return max((role for role in ROLES if name.startswith(f"{role}_")), key=len, default=None)


def role_of(path: Path) -> str | None:
    parts = path.relative_to(ROOT).parts
    return parts[1] if parts[0] == "roles" else None


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_reads_the_internals_of_another_role(path: Path) -> None:
    used = {name for name in INTERNAL.findall(path.read_text()) if owner(name) not in (None, role_of(path))}
    assert used == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_reads_the_internals_of_another_host(path: Path) -> None:
    assert re.findall(r"hostvars\[[^\n]*\]\.__\w+|selectattr\('__\w+'", path.read_text()) == []


def facts(node: Any) -> Iterator[str]:
    """Give the public facts that tasks set."""
    for item in node if isinstance(node, list) else []:
        yield from (name for name in item.get("ansible.builtin.set_fact", {}) if not name.startswith("__"))
        for key in ("block", "rescue", "always"):
            yield from facts(item.get(key))


@pytest.mark.parametrize("role", ROLES)
def test_the_facts_of_a_role_are_documented(role: str) -> None:
    specs = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    told = " ".join(" ".join([spec["short_description"], *spec.get("description", [])]) for spec in specs.values())
    files = (ROOT / "roles" / role / "tasks").rglob("*.yml")
    public = {name for path in files for name in facts(yaml.safe_load(path.read_text()))} - {"cacheable"}
    assert {name for name in public if not re.search(rf"\bfact {name}\b", told)} == set()
