#!/usr/bin/python
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module `container_images`: see DOCUMENTATION."""

DOCUMENTATION = r"""
module: container_images
short_description: Preload images of an OCI layout into containerd
description:
  - Imports those images that containerd does not have, or has with another digest.
  - Uses the containerd that runs on the machine; when none runs, starts one for the import and ends it again.
options:
  layout:
    description: Directory of the OCI layout, on the machine itself.
    type: path
    required: true
  prefix:
    description: What comes before the layout's own references.
    type: str
    required: true
  names:
    description: Full names of the images, prefix included.
    type: list
    elements: str
    required: true
  namespace:
    description: containerd's namespace; the kubelet uses C(k8s.io).
    type: str
    default: k8s.io
  container:
    description: Podman container of this machine that containerd runs in; the layout is on this machine then.
    type: str
    default: ""
  binaries:
    description: Directory of containerd and ctr.
    type: path
    default: /usr/local/bin
  socket:
    description: containerd's socket.
    type: path
    default: /run/containerd/containerd.sock
attributes:
  check_mode:
    support: full
    description: Tells which images would be imported, as far as containerd runs.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Preload busybox
  istio_games.workshop.container_images:
    layout: /var/cache/istio-workshop/bundle/images
    prefix: localhost/workshop
    names: [localhost/workshop/busybox:1.35.0]
"""

RETURN = r"""
imported:
  description: Names of the images that were imported.
  type: list
  elements: str
  returned: success
"""

import json
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.istio_games.workshop.plugins.module_utils.modules import run
from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.container_images import (
    Containerd,
    wanted_manifests,
)

ARGUMENTS = {
    "layout": {"type": "path", "required": True},
    "prefix": {"type": "str", "required": True},
    "names": {"type": "list", "elements": "str", "required": True},
    "namespace": {"type": "str", "default": "k8s.io"},
    "container": {"type": "str", "default": ""},
    "binaries": {"type": "path", "default": "/usr/local/bin"},
    "socket": {"type": "path", "default": "/run/containerd/containerd.sock"},
}


def act(module: AnsibleModule, result: dict[str, Any]) -> None:
    """Import what is missing."""
    given = module.params
    layout = Path(given["layout"])
    containerd = Containerd(*(given[name] for name in ("namespace", "binaries", "socket", "container")))
    if module.check_mode and not containerd.answers():
        result |= {"changed": True, "imported": given["names"]}
        return
    wanted = wanted_manifests(json.loads((layout / "index.json").read_text()), given["prefix"], given["names"])
    with containerd.running():
        present = containerd.images()
        missing = {name: item for name, item in wanted.items() if present.get(name) != item["digest"]}
        if missing and not module.check_mode:
            containerd.load(layout, missing)
    result |= {"changed": bool(missing), "imported": sorted(missing)}


def main() -> None:
    """Entry point."""
    run("container_images", ARGUMENTS, act)


if __name__ == "__main__":
    main()
