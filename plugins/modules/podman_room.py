#!/usr/bin/python
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module `podman_room`: see DOCUMENTATION."""

DOCUMENTATION = r"""
module: podman_room
short_description: Remove the containers, volumes and networks of a room
description:
  - Removes what bears the room's label, whatever state it is in, and node images that no container needs any longer.
  - Changes nothing when Podman is not installed.
options:
  name:
    description: Name of the room.
    type: str
    required: true
attributes:
  check_mode:
    support: full
    description: Tells what would be removed.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Take a room down
  istio_games.workshop.podman_room:
    name: workshop
"""

RETURN = r"""
removed:
  description: What was removed, each with its kind.
  type: list
  elements: str
  returned: success
"""

import shutil
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.istio_games.workshop.plugins.module_utils.modules import run
from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.host_reader import COMMAND_PATH
from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.podman_room import PodmanRoom

ARGUMENTS = {"name": {"type": "str", "required": True}}


def act(module: AnsibleModule, result: dict[str, Any]) -> None:
    """Remove what there is."""
    removed = []
    if shutil.which("podman", path=COMMAND_PATH):
        removed = PodmanRoom(module.params["name"], dry_run=module.check_mode).remove()
    result |= {"changed": bool(removed), "removed": removed}


def main() -> None:
    """Entry point."""
    run("podman_room", ARGUMENTS, act)


if __name__ == "__main__":
    main()
