# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `mesh_routes` action plugin."""

DOCUMENTATION = r"""
module: mesh_routes
short_description: Write routing objects, and wait until every calling proxy holds them
description:
  - Writes DestinationRules, waits until each caller's proxy has every subset with as many healthy endpoints as there
    are ready pods, then writes VirtualServices and waits until each proxy holds their routes. What is as it should be
    is not written.
  - A proxy is asked for its configuration through a port-forward to its admin interface
    (https://www.envoyproxy.io/docs/envoy/latest/operations/admin). Runs on the controller.
  - Fails with the proxy, the route, the subset or the endpoints that are not as they must be.
options:
  definitions:
    description: VirtualServices and DestinationRules, named as the Service that they are about.
    type: list
    elements: dict
    required: true
  remove:
    description: Objects to delete once the others are written, by C(kind) and C(metadata).
    type: list
    elements: dict
    default: []
  exact:
    description: Wait until the proxies have no other subset of the services than those of the DestinationRules.
    type: bool
    default: false
  takeover:
    description: Whether an object that somebody else has made or changed may be overwritten.
    type: bool
    default: false
  copies:
    description: Directory on the controller for copies of what is overwritten or deleted that way.
    type: path
  timeout:
    description: Seconds for the proxies.
    type: int
    default: 60
extends_documentation_fragment:
  - istio_games.workshop.cluster
  - istio_games.workshop.cluster.application
  - istio_games.workshop.cluster.callees
attributes:
  check_mode:
    support: full
    description: Asks the cluster whether it would take the writes, and shows the difference.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Send half of the requests to the new version
  istio_games.workshop.mesh_routes:
    kubeconfig: ~/.kube/config
    namespace: staging
    definitions: "{{ planned.plan.prepare + planned.plan.route }}"
    callees:
      - {name: aleph, port: 80, callers: [front, load]}
"""

RETURN = r"""
objects:
  description: The objects that were written or deleted.
  type: list
  returned: success
proxies:
  description: Seconds from the last write until each pod's proxy held everything, by pod.
  type: dict
  returned: success
propagation_ms:
  description: The longest of these times, in milliseconds.
  type: int
  returned: success
held:
  description: The time at which every calling proxy held everything, in seconds since 1970.
  type: float
  returned: success
"""
