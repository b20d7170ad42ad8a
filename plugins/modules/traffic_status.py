# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `traffic_status` action plugin."""

DOCUMENTATION = r"""
module: traffic_status
short_description: Show where services stand
description:
  - Puts side by side what was asked for, what is configured, what every calling proxy holds and what was measured.
  - Runs on the controller.
options:
  measure:
    description: Whether to measure the split with real requests, where a service has a stage; never in check mode.
    type: bool
    default: false
  judge:
    description: Whether to fail where a service is not where its stage has led it.
    type: bool
    default: false
  summary:
    description: Where the summary of several places is written as JSON on the controller.
    type: path
    required: true
  service:
    description: The services that were asked for, which the next command names as well.
    type: str
  show:
    description: Whether to show the table, and to write C(status.json) into each place's directory.
    type: bool
    default: true
  version:
    description: The new version's tag that was asked for, which the next command names as well.
    type: str
extends_documentation_fragment:
  - istio_games.workshop.places
  - istio_games.workshop.check_mode
  - istio_games.workshop.cluster.callees
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Show where aleph stands
  istio_games.workshop.traffic_status:
    kubeconfig: ~/.kube/config
    places: "{{ meant.places }}"
    summary: ~/.local/state/istio-workshop/blue/statuses.json
    callees:
      - {name: aleph, port: 80, callers: [front, load]}
"""

RETURN = r"""
status:
  description: >-
    For each of its C(services) its stage, versions with pods and shares (percent), rules, what is not ours, last
    change and warnings; the command that comes next. Field by field in docs/status.md.
  type: dict
  returned: of one place
summary:
  description: Several places, as docs/status.md says.
  type: dict
  returned: of several places, when all are as they must be; it is in the room's directory in any case
"""
