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

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.module_utils.registry.api import Registry, RegistryError


class SeedError(WorkshopError):
    """The registry is not as it must be. The message is one sentence for people."""


class Seed:
    """Pushes images and watches the catalog."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._address: str = module.params["registry"]
        self._registry = Registry(f"http://{self._address}")
        self._timeout: int = module.params["timeout"]

    def run(self) -> dict[str, Any]:
        """Push what is missing; give the result."""
        images: list[str] = self._module.params["images"]
        try:
            self._registry.wait(0 if self._module.check_mode else self._timeout)
        except RegistryError:
            if self._module.check_mode:  # there is no registry yet
                return {
                    "changed": bool(images),
                    "before": [],
                    "pushed": [_short(image) for image in images],
                    "catalog": [],
                }
            raise
        before = self._registry.catalog()
        if self._module.params["fresh"] and before:
            raise SeedError(
                f"The registry is new, but its catalog at {self._address} lists {', '.join(before)}: does another "
                "registry answer at this port?"
            )
        pushed = [_short(image) for image in images if self._push(image)]
        catalog = before if self._module.check_mode else self._wait_for_catalog()
        return {"changed": bool(pushed), "before": before, "pushed": pushed, "catalog": catalog}

    def _push(self, image: str) -> bool:
        short = _short(image)
        name, _, tag = short.rpartition(":")
        if self._registry.digest(name, tag) == self._local_digest(image):
            return False
        if not self._module.check_mode:
            self._ctr("images", "push", "--plain-http", f"{self._address}/{short}", image)
        return True

    def _local_digest(self, image: str) -> str:
        # REF TYPE DIGEST ...
        for line in self._ctr("images", "list", f"name=={image}").splitlines():
            words = line.split()
            if words and words[0] == image:
                return words[2]
        raise SeedError(f"The node has no image {image}: ansible-playbook playbooks/nodes.yml preloads it.")

    def _ctr(self, *arguments: str) -> str:
        ctr = self._module.get_bin_path("ctr", required=True, opt_dirs=["/usr/local/bin"])
        code, output, errors = self._module.run_command([ctr, "-n", self._module.params["namespace"], *arguments])
        if code != 0:
            raise SeedError(f"ctr {' '.join(arguments)} failed: {(errors or output).strip()[-400:]}")
        return str(output)

    def _wait_for_catalog(self) -> list[str]:
        deadline = time.monotonic() + self._timeout
        while True:
            catalog = self._registry.catalog()
            missing = [name for name in self._module.params["expect"] if name not in catalog]
            if not missing:
                return catalog
            if time.monotonic() > deadline:
                raise SeedError(
                    f"The catalog at {self._address} lists {', '.join(catalog) or 'nothing'}, but not "
                    f"{', '.join(missing)} after {self._timeout} s."
                )
            time.sleep(0.5)


def _short(image: str) -> str:
    return image.rpartition("/")[2]


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "registry": {"type": "str", "required": True},
            "images": {"type": "list", "elements": "str", "default": []},
            "expect": {"type": "list", "elements": "str", "default": []},
            "fresh": {"type": "bool", "default": False},
            "namespace": {"type": "str", "default": "k8s.io"},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(**Seed(module).run())
    except (SeedError, RegistryError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
