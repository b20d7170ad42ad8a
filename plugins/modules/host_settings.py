#!/usr/bin/python
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module `host_settings`: see DOCUMENTATION."""

DOCUMENTATION = r"""
module: host_settings
short_description: Prepare a node, or the host of container nodes, and put everything back after the last room
description:
  - With O(state=present), records the host's kernel settings, firewall chains and mounts before anything is changed,
    loads kernel modules and raises settings that are too low. Networks of rooms that another network's end has let
    into each other are kept apart again.
  - With O(state=absent), when no other room is left on the host, puts those settings back that still are what a room
    sets, unloads what was loaded, and when no container is left at all removes what Podman leaves behind. What was
    there before, and what somebody has changed since, stays.
options:
  state:
    description: Whether the host is prepared or as it was.
    type: str
    choices: [present, absent]
    default: present
  record:
    description: File for what was there before, shared by all rooms of the host.
    type: path
    required: true
  room:
    description: The room that is made or taken down; empty where a host has one at most.
    type: str
    default: ""
  least:
    description: Least values of kernel settings, by name.
    type: dict
    default: {}
  modules:
    description: Kernel modules to load.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    description: Tells what would be changed.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Prepare the host
  istio_games.workshop.host_settings:
    record: /var/lib/istio-workshop/host.json
    room: workshop
    least:
      fs.inotify.max_user_instances: 1024
"""

RETURN = r"""
done:
  description: What was changed, one sentence each.
  type: list
  elements: str
  returned: success
left:
  description: What was left as it is although it was another way before the first room, one sentence each.
  type: list
  elements: str
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.module_utils.modules import run
from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.host_settings import HostSettings

ARGUMENTS = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "record": {"type": "path", "required": True},
    "room": {"type": "str", "default": ""},
    "least": {"type": "dict", "default": {}},
    "modules": {"type": "list", "elements": "str", "default": []},
}


def act(module: AnsibleModule, result: dict[str, Any]) -> None:
    """Raise the settings, or put them back."""
    given = module.params
    settings = HostSettings(given["record"], given["room"], dry_run=module.check_mode)
    try:
        if given["state"] == "present":
            settings.prepare({name: int(value) for name, value in given["least"].items()}, given["modules"])
        else:
            settings.restore()
    except PermissionError as error:
        raise WorkshopError(f"{error}: the host's settings can only be changed by root.") from error
    finally:
        result |= {"changed": bool(settings.done), "done": settings.done, "left": settings.left}


def main() -> None:
    """Entry point."""
    run("host_settings", ARGUMENTS, act)


if __name__ == "__main__":
    main()
