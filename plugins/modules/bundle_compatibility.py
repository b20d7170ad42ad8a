# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `bundle_compatibility` action plugin."""

DOCUMENTATION = r"""
module: bundle_compatibility
short_description: See whether a room that has nodes may take the bundle of this checkout
description:
  - Fails with one sentence when the room runs another Kubernetes, etcd, containerd, Istio, proxy or architecture than
    the bundle holds, since nothing upgrades a cluster that runs.
  - Other wheels, base images, or other builds of the same versions are taken.
options:
  supply:
    description: Directory of C(pins.yml), C(recipes.yml) and C(go/), which say what the bundle holds.
    type: path
    required: true
  link:
    description: The room's link to the bundle that its nodes were made of.
    type: path
    required: true
  kubernetes:
    description: The version that the room's API server answers with; empty when it does not.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: Changes nothing anyway.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Refuse half an upgrade
  istio_games.workshop.bundle_compatibility:
    supply: supply
    link: ~/.local/state/istio-workshop/workshop/bundle
"""

RETURN = r"""
running:
  description: Versions by name of what the room runs, as far as they are known.
  type: dict
  returned: success
"""
