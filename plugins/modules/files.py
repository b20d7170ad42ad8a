#!/usr/bin/python
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module `files`: see DOCUMENTATION."""

DOCUMENTATION = r"""
module: files
short_description: Write many small files in one go
description:
  - Writes those files that differ, and makes the directories that they need.
  - A task on a container node takes a second, and M(ansible.builtin.template) is a task for each file.
options:
  files:
    description: The files.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Where it is.
        type: path
        required: true
      content:
        description: What it holds.
        type: str
        required: true
      mode:
        description: Its permissions, octal.
        type: str
        default: "0644"
attributes:
  check_mode:
    support: full
    description: Tells which files would be written.
  diff_mode:
    support: full
    description: Shows how they differ.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Write a script
  istio_games.workshop.files:
    files:
      - path: /usr/local/bin/hello
        content: "{{ lookup('ansible.builtin.template', 'hello.j2') }}"
        mode: "0755"
"""

RETURN = r"""
written:
  description: Paths of the files that were written.
  type: list
  elements: str
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.module_utils.modules import run
from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.files import File, differences, write

FILE = {
    "path": {"type": "path", "required": True},
    "content": {"type": "str", "required": True},
    "mode": {"type": "str", "default": "0644"},
}
ARGUMENTS = {"files": {"type": "list", "elements": "dict", "required": True, "options": FILE}}


def act(module: AnsibleModule, result: dict[str, Any]) -> None:
    """Write what differs."""
    files = {item["path"]: File(**item) for item in module.params["files"]}
    result |= {"written": [], "diff": []}
    try:
        found = differences(files.values())
    except ValueError as error:
        raise WorkshopError(str(error)) from error
    for change in found:
        if not module.check_mode:
            write(files[change.path])
        result["changed"] = True
        result["written"].append(change.path)
        result["diff"].append(
            {
                "before_header": change.path,
                "after_header": change.path,
                "before": change.before,
                "after": change.after,
            }
        )


def main() -> None:
    """Entry point."""
    run("files", ARGUMENTS, act)


if __name__ == "__main__":
    main()
