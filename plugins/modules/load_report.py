# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `load_report` action plugin."""

DOCUMENTATION = r"""
module: load_report
short_description: Ask the load client what became of its requests
description:
  - Reads the load client's record of the requests that were due since a time, and waits for the answers that are
    still to come. Fails when one of them failed, or no load client runs. Runs on the controller.
options:
  since:
    description: The time from which on requests count, in seconds since 1970.
    type: float
    required: true
  held:
    description:
      - The time at which every calling proxy held the change, in seconds since 1970.
      - Where requests failed already in the half minute before O(since), only those from here on count; else all.
    type: float
  fail:
    description: Whether a failed request fails the task.
    type: bool
    default: true
extends_documentation_fragment:
  - istio_games.workshop.cluster
  - istio_games.workshop.cluster.application
attributes:
  check_mode:
    support: full
    description: Asks nothing.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: See whether a request was lost in the last minute
  istio_games.workshop.load_report:
    kubeconfig: ~/.kube/config
    namespace: staging
    since: "{{ now().timestamp() - 60 }}"
"""

RETURN = r"""
report:
  description:
    - The load client's summary (services/README.md).
    - C(before) is that of the half minute before, if a request failed then and RV(report) counts from O(held) on.
  type: dict
  returned: success
"""
