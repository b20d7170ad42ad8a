# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `deployments_ready` action plugin."""

DOCUMENTATION = r"""
module: deployments_ready
short_description: Wait until Deployments are rolled out
description:
  - Waits as C(kubectl rollout status) does, for several Deployments at once, and shows their progress.
  - Polls for failure as well as for success, and fails with the reason and the end of the log of a pod that does not
    come up. Runs on the controller.
options:
  namespace:
    description: The Deployments' namespace.
    type: str
    required: true
  names:
    description: The Deployments' names.
    type: list
    elements: str
    required: true
  timeout:
    description: Seconds that all of them may take together.
    type: int
    default: 180
extends_documentation_fragment:
  - istio_games.workshop.cluster
attributes:
  check_mode:
    support: full
    description: Does not wait.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Wait for the registry
  istio_games.workshop.deployments_ready:
    kubeconfig: ~/.kube/config
    namespace: registry
    names: [registry]
"""

RETURN = r"""
seconds:
  description: How long it took.
  type: float
  returned: success
"""
