# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `cluster_access` action plugin."""

DOCUMENTATION = r"""
module: cluster_access
short_description: See whether a cluster can be used
description:
  - Asks the API server that a kubeconfig names, with its credentials, and fails with one sentence when it cannot be
    used. Runs on the controller.
options:
  required:
    description: Whether a cluster that cannot be used is a failure.
    type: bool
    default: true
extends_documentation_fragment:
  - istio_games.workshop.cluster
attributes:
  check_mode:
    support: full
    description: A kubeconfig that does not exist is no failure then, since the cluster would be made first.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: See whether the cluster can be used
  istio_games.workshop.cluster_access:
    kubeconfig: ~/.kube/config
"""

RETURN = r"""
reachable:
  description: Whether it can be used.
  type: bool
  returned: success
version:
  description: The version of its Kubernetes, such as C(v1.36.3).
  type: str
  returned: when reachable
server:
  description: The API server's address.
  type: str
  returned: when reachable
"""
