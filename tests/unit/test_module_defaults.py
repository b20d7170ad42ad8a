"""Which cluster a role means is said once: in its defaults, and once in a task file (module_defaults for several)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TASK_FILES = sorted(ROOT.glob("roles/*/tasks/**/*.yml"))


def kubeconfigs(node: Any) -> Iterator[str]:
    """Give what an option `kubeconfig` is set to, wherever it stands in a task file."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "kubeconfig":
                yield str(value)
            else:
                yield from kubeconfigs(value)
    elif isinstance(node, list):
        for item in node:
            yield from kubeconfigs(item)


def role_of(path: Path) -> str:
    return path.relative_to(ROOT / "roles").parts[0]


@pytest.mark.parametrize("path", TASK_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_task_file_names_its_cluster_once(path: Path) -> None:
    named = list(kubeconfigs(yaml.safe_load(path.read_text())))
    assert named in ([], [f"{{{{ {role_of(path)}_kubeconfig }}}}"])


def test_the_room_s_cluster_is_chosen_in_one_place() -> None:
    files = [*ROOT.glob("inventory/**/*.yml"), *ROOT.glob("roles/**/*.yml"), *ROOT.glob("playbooks/*.yml")]
    chosen = [path for path in files if not path.is_symlink() and "workshop_kubeconfig or " in path.read_text()]
    assert len(chosen) == 1, [str(path) for path in chosen]
