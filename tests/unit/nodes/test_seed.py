"""The seed of the node image is made during a play: in no group of the inventory, it has no setting of the room."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).resolve().parents[3] / "roles"


def test_the_seed_is_handed_every_setting_that_the_role_node_reads() -> None:
    defaults: dict[str, Any] = yaml.safe_load((ROLES / "node/defaults/main.yml").read_text())
    tasks = yaml.safe_load((ROLES / "node_containers/tasks/seed.yml").read_text())
    (handed,) = (task["ansible.builtin.add_host"] for task in tasks if "ansible.builtin.add_host" in task)
    missing = {
        name: setting
        for name, value in defaults.items()
        for setting in re.findall(r"workshop_\w+", str(value))
        if name not in handed and setting not in handed
    }
    assert missing == {}
