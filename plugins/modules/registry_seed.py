#!/usr/bin/python
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module `registry_seed`: see DOCUMENTATION."""

DOCUMENTATION = r"""
module: registry_seed
short_description: Push preloaded images from a node to the registry, and see that the node reads them
description:
  - Asks the registry at its NodePort on the node itself, pushes those images that it lacks or has with another digest,
    and waits until the catalog lists all that is expected.
options:
  registry:
    description: The registry's HOST:PORT on the node.
    type: str
    required: true
  images:
    description: Images to push, by reference in containerd; the last part of it, NAME:TAG, is the name in the registry.
    type: list
    elements: str
    default: []
  expect:
    description: Repositories that the catalog must list in the end.
    type: list
    elements: str
    default: []
  fresh:
    description: Whether the registry's storage was made just now, so that its catalog must be empty at first.
    type: bool
    default: false
  login:
    description: The registry's C(user) and C(password), which a push needs.
    type: dict
    suboptions:
      user:
        description: The user's name.
        type: str
        required: true
      password:
        description: The password.
        type: str
        required: true
        no_log: true
  namespace:
    description: containerd's namespace.
    type: str
    default: k8s.io
  timeout:
    description: Seconds to wait for the registry, and again for the catalog.
    type: int
    default: 60
attributes:
  check_mode:
    support: full
    description: Tells which images would be pushed.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Push busybox
  istio_games.workshop.registry_seed:
    registry: 127.0.0.1:32000
    images: [localhost/workshop/busybox:1.35.0]
    expect: [busybox]
"""

RETURN = r"""
before:
  description: The catalog before anything was pushed.
  type: list
  elements: str
  returned: success
pushed:
  description: What was pushed, as NAME:TAG.
  type: list
  elements: str
  returned: success
catalog:
  description: The catalog in the end.
  type: list
  elements: str
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.istio_games.workshop.plugins.module_utils.modules import run
from ansible_collections.istio_games.workshop.plugins.module_utils.registry.api import Registry
from ansible_collections.istio_games.workshop.plugins.module_utils.registry.seed import Seed, SeedError, hosts_directory

ARGUMENTS = {
    "registry": {"type": "str", "required": True},
    "images": {"type": "list", "elements": "str", "default": []},
    "expect": {"type": "list", "elements": "str", "default": []},
    "fresh": {"type": "bool", "default": False},
    "login": {
        "type": "dict",
        "options": {
            "user": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
        },
    },
    "namespace": {"type": "str", "default": "k8s.io"},
    "timeout": {"type": "int", "default": 60},
}


def act(module: AnsibleModule, result: dict[str, Any]) -> None:
    """Push what is missing, and read the catalog."""
    given = module.params

    def ctr(*arguments: str) -> str:
        program = module.get_bin_path("ctr", required=True, opt_dirs=["/usr/local/bin"])
        code, output, errors = module.run_command([program, "-n", given["namespace"], *arguments])
        if code != 0:
            raise SeedError(f"ctr {' '.join(arguments)} failed: {(errors or output).strip()[-400:]}")
        return str(output)

    login = (given["login"]["user"], given["login"]["password"]) if given["login"] else None
    with hosts_directory(given["registry"], login) as hosts:
        seed = Seed(Registry(f"http://{given['registry']}"), ctr, hosts, given["timeout"], dry_run=module.check_mode)
        done = seed.push(given["images"], fresh=given["fresh"])
    result |= {"changed": bool(done.pushed), "before": done.before, "pushed": done.pushed, "catalog": done.before}
    if done.answered:
        result["catalog"] = seed.catalog(given["expect"])


def main() -> None:
    """Entry point."""
    run("registry_seed", ARGUMENTS, act)


if __name__ == "__main__":
    main()
