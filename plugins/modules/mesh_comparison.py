# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `mesh_comparison` action plugin."""

DOCUMENTATION = r"""
module: mesh_comparison
short_description: Compare the room's mesh with the one that is wanted
description:
  - Says which objects of the room's own Istio are not as istioctl would make them. Runs on the controller.
options:
  values:
    description: The IstioOperator that istioctl would install, as YAML.
    type: str
    required: true
  identity:
    description: What identifies that installation, as it is noted on its namespace.
    type: str
    required: true
  bin_dir:
    description: Directory of istioctl and kubectl.
    type: path
    required: true
  mesh_namespace:
    description: The mesh's own namespace.
    type: str
    default: istio-system
extends_documentation_fragment:
  - istio_games.workshop.check_mode
  - istio_games.workshop.cluster.room
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Compare the mesh that is there with the one that is wanted
  istio_games.workshop.mesh_comparison:
    kubeconfig: ~/.kube/config
    bin_dir: /usr/local/bin
    identity: 0123456789abcdef
    values: "{{ lookup('ansible.builtin.template', 'values.yaml.j2') }}"
"""

RETURN = r"""
differences:
  description: What differs, by object; empty when nothing does.
  type: list
  elements: str
  returned: success
"""
