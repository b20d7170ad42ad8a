# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `mirror_copies` action plugin."""

DOCUMENTATION = r"""
module: mirror_copies
short_description: Count the copies that mirrored versions get
description:
  - Reads the statistics of the mirrored versions' own proxies, since who sends a copy drops its answer. Fails when
    fewer copies have arrived than were sent. Runs on the controller.
options:
  subsets:
    description: The mirrored subset by service.
    type: dict
    required: true
  before:
    description: The counts of an earlier call; what has arrived since is counted then.
    type: dict
  sent:
    description: Requests sent since then by service; waits up to 10 s for their copies.
    type: dict
    default: {}
extends_documentation_fragment:
  - istio_games.workshop.cluster
  - istio_games.workshop.cluster.application
attributes:
  check_mode:
    support: full
    description: Counts nothing.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Count what has arrived
  istio_games.workshop.mirror_copies:
    kubeconfig: ~/.kube/config
    namespace: staging
    subsets: {aleph: v03}
"""

RETURN = r"""
copies:
  description: Number of C(requests) and of C(failed) ones (answered 5xx), by service.
  type: dict
  returned: success
"""
