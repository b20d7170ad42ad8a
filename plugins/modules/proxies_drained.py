# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `proxies_drained` action plugin."""

DOCUMENTATION = r"""
module: proxies_drained
short_description: Wait until versions get no requests any more
description:
  - Waits until no calling proxy has a request in flight to these subsets, and none has sent one for a second.
  - Runs on the controller.
options:
  subsets:
    description: Lists of subsets by service.
    type: dict
    required: true
  timeout:
    description: Seconds to wait.
    type: int
    default: 60
extends_documentation_fragment:
  - istio_games.workshop.cluster
  - istio_games.workshop.cluster.application
  - istio_games.workshop.cluster.callees
attributes:
  check_mode:
    support: full
    description: Does not wait.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Wait until the old version is idle
  istio_games.workshop.proxies_drained:
    kubeconfig: ~/.kube/config
    namespace: staging
    callees:
      - {name: aleph, port: 80, callers: [front, load]}
    subsets: {aleph: [v01]}
"""

RETURN = r"""
seconds:
  description: How long it took.
  type: float
  returned: success
"""
