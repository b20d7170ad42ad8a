#!/usr/bin/python
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module `room_network`: see DOCUMENTATION."""

DOCUMENTATION = r"""
module: room_network
short_description: Let the packets of a room's container nodes through this machine's packet filter
description:
  - Puts Podman's rules for the room's nodes back where a firewall that was reloaded has taken them away.
  - Allows what a FORWARD chain with the policy DROP (Docker, ufw) would drop between the room's nodes, and to its
    ports.
options:
  name:
    description: Name of the room.
    type: str
    required: true
  network:
    description: Name of its Podman network.
    type: str
    required: true
attributes:
  check_mode:
    support: full
    description: Tells what would be done.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Let a room's packets through
  istio_games.workshop.room_network:
    name: workshop
    network: istio-workshop-workshop
"""

RETURN = r"""
done:
  description: The commands that were run.
  type: list
  elements: str
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.istio_games.workshop.plugins.module_utils.modules import run
from ansible_collections.istio_games.workshop.plugins.module_utils.nodes import room_network

ARGUMENTS = {"name": {"type": "str", "required": True}, "network": {"type": "str", "required": True}}


def act(module: AnsibleModule, result: dict[str, Any]) -> None:
    """Mend it."""
    done = room_network.mend(module.params["name"], module.params["network"], dry_run=module.check_mode)
    result |= {"changed": bool(done), "done": done}


def main() -> None:
    """Entry point."""
    run("room_network", ARGUMENTS, act)


if __name__ == "__main__":
    main()
