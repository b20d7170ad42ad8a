#!/usr/bin/python
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module `unmounted`: see DOCUMENTATION."""

DOCUMENTATION = r"""
module: unmounted
short_description: See that nothing is mounted below directories that are to be removed
description:
  - Unmounts what a node has mounted there for its pods. Fails with one sentence, and unmounts nothing, when there is
    something else, such as a share or a disk of somebody's, whose files would be removed with the directories.
options:
  paths:
    description: The directories, which need not be there.
    type: list
    elements: path
    required: true
attributes:
  check_mode:
    support: full
    description: Tells what would be unmounted, and fails for the same reasons.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: See that nothing is mounted there
  istio_games.workshop.unmounted:
    paths: [/var/lib/kubelet, /var/lib/containerd]
"""

RETURN = r"""
unmounted:
  description: What was unmounted.
  type: list
  elements: str
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.istio_games.workshop.plugins.module_utils.modules import run
from ansible_collections.istio_games.workshop.plugins.module_utils.nodes import mounts

ARGUMENTS = {"paths": {"type": "list", "elements": "path", "required": True}}


def act(module: AnsibleModule, result: dict[str, Any]) -> None:
    """Unmount what is mounted."""
    unmounted = mounts.unmount(module.params["paths"], dry_run=module.check_mode)
    result |= {"changed": bool(unmounted), "unmounted": unmounted}


def main() -> None:
    """Entry point."""
    run("unmounted", ARGUMENTS, act)


if __name__ == "__main__":
    main()
