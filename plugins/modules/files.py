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

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.files import File, differences, write


def main() -> None:
    file_options = {
        "path": {"type": "path", "required": True},
        "content": {"type": "str", "required": True},
        "mode": {"type": "str", "default": "0644"},
    }
    module = AnsibleModule(
        argument_spec={"files": {"type": "list", "elements": "dict", "required": True, "options": file_options}},
        supports_check_mode=True,
    )
    files = {item["path"]: File(**item) for item in module.params["files"]}
    try:
        found = differences(files.values())
        if not module.check_mode:
            for change in found:
                write(files[change.path])
    except (OSError, ValueError) as error:
        module.fail_json(msg=str(error))
    diff = [
        {"before_header": item.path, "after_header": item.path, "before": item.before, "after": item.after}
        for item in found
    ]
    module.exit_json(changed=bool(found), written=[item.path for item in found], diff=diff)


if __name__ == "__main__":
    main()
