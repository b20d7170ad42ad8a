#!/usr/bin/python
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module `host_check`: see DOCUMENTATION."""

DOCUMENTATION = r"""
module: host_check
short_description: Find what a machine lacks before it is changed
description:
  - Compares what the machine offers (cgroups, capabilities, limits, memory, disk, commands, free ports, networks) with
    what a room needs, and fails with one sentence for each shortage and its remedy.
  - Changes nothing.
options:
  room:
    description: Name of the room of container nodes; what bears its label may hold its ports.
    type: str
    default: ""
  nodes:
    description: Names of the nodes that this machine is to hold.
    type: list
    elements: str
    required: true
  containers:
    description: Whether the nodes are containers of this machine, so that Podman and free names are looked at.
    type: bool
    default: false
  listen_address:
    description: Address of this machine that the ports are published on.
    type: str
    default: 127.0.0.1
  ports:
    description: TCP ports that must be free. A machine that is a node already holds them itself.
    type: list
    elements: dict
    default: []
    suboptions:
      number:
        description: The port.
        type: int
        required: true
      variable:
        description: Variable that a user sets it with; empty when it cannot be chosen.
        type: str
        default: ""
  subnets:
    description: IPv4 networks of the cluster (this machine must not be connected to them) by variable.
    type: dict
    default: {}
  memory:
    description: MiB of memory that must be available for each node that is not there yet.
    type: int
    default: 0
  disk:
    description: MiB that must be free for each node that is not there yet, by directory.
    type: dict
    default: {}
  pids:
    description: What this machine's kernel.pid_max is raised to before its nodes run; 0 where it is left as it is.
    type: int
    default: 0
  commands:
    description: Commands that must exist, each with the Debian package that holds it.
    type: dict
    default: {}
  names:
    description: Names of containers, volumes and networks (by kind) that must be free or bear our label.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
    description: Only reads.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Look at this machine
  istio_games.workshop.host_check:
    room: workshop
    nodes: [control-plane]
    containers: true
    ports:
      - {number: 6443, variable: workshop_api_port}
"""

RETURN = r"""
cgroup_mode:
  description: C(unified), C(hybrid) or C(legacy).
  type: str
  returned: success
mtu:
  description: Bytes that the uplink takes at most in one packet.
  type: int
  returned: success
runtime:
  description: OCI runtime for container nodes; empty for Podman's own choice.
  type: str
  returned: success
ulimits:
  description: Resource limits for container nodes, as high as this machine may give, by name.
  type: dict
  returned: success
can_raise_limits:
  description: Whether CAP_SYS_RESOURCE is there.
  type: bool
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.module_utils.modules import run
from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.host_check import (
    Needs,
    Port,
    container_limits,
    problems,
    runtime,
)
from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.host_reader import read_host

PORT = {"number": {"type": "int", "required": True}, "variable": {"type": "str", "default": ""}}
ARGUMENTS = {
    "room": {"type": "str", "default": ""},
    "nodes": {"type": "list", "elements": "str", "required": True},
    "containers": {"type": "bool", "default": False},
    "listen_address": {"type": "str", "default": "127.0.0.1"},
    "ports": {"type": "list", "elements": "dict", "default": [], "options": PORT},
    "subnets": {"type": "dict", "default": {}},
    "memory": {"type": "int", "default": 0},
    "disk": {"type": "dict", "default": {}},
    "pids": {"type": "int", "default": 0},
    "commands": {"type": "dict", "default": {}},
    "names": {"type": "dict", "default": {}},
}


def act(module: AnsibleModule, result: dict[str, Any]) -> None:
    """Read and judge."""
    given = module.params
    needs = Needs(
        room=given["room"],
        nodes=tuple(given["nodes"]),
        listen_address=given["listen_address"],
        ports=tuple(Port(**port) for port in given["ports"]),
        subnets=given["subnets"],
        memory=given["memory"],
        disk={path: int(size) for path, size in given["disk"].items()},
        pids=given["pids"],
        commands=given["commands"],
        containers=given["containers"],
    )
    host = read_host(needs, given["names"])
    found = problems(host, needs)
    if found:
        introduction = "" if len(found) == 1 else f"{len(found)} things are in the way, nothing was changed:\n"
        raise WorkshopError(introduction + "\n".join(found), problems=found)
    result |= {
        "cgroup_mode": host.cgroup_mode,
        "mtu": host.mtu,
        "runtime": runtime(host),
        "ulimits": container_limits(host),
        "can_raise_limits": host.can_raise_limits,
    }


def main() -> None:
    """Entry point."""
    run("host_check", ARGUMENTS, act)


if __name__ == "__main__":
    main()
