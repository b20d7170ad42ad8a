# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `guest_removal` action plugin."""

DOCUMENTATION = r"""
module: guest_removal
short_description: Remove a room from a cluster that is not its own
description:
  - Removes the namespaces that bear our label and the room's name, and Istio where the room has installed it and nobody
    else uses it. A namespace in which somebody else has put something stays, with that in it.
  - Says of everything that a person might expect to go why it stays. Runs on the controller.
options:
  bin_dir:
    description: Directory of istioctl.
    type: path
    required: true
  mesh_namespace:
    description: The namespace of the workshop's own Istio.
    type: str
    default: istio-system
  timeout:
    description: Seconds that the namespaces may take to go.
    type: int
    default: 180
extends_documentation_fragment:
  - istio_games.workshop.cluster.room
attributes:
  check_mode:
    support: full
    description: Tells what would be removed, and what would stay.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Remove the room from the cluster
  istio_games.workshop.guest_removal:
    kubeconfig: ~/.kube/config
    bin_dir: /usr/local/bin
"""

RETURN = r"""
removed:
  description: What was removed.
  type: list
  elements: str
  returned: success
stays:
  description: What stays, and why, one sentence each.
  type: list
  elements: str
  returned: success
"""
