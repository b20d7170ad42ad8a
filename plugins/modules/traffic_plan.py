# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `traffic_plan` action plugin."""

DOCUMENTATION = r"""
module: traffic_plan
short_description: Plan the way from what is there to a stage
description:
  - Looks at the routing objects and Deployments of a namespace, and names what is to be written, deployed and removed
    for a stage, in the order that loses no request. Fails when somebody else has changed the routing, unless
    O(takeover) is set.
  - Runs on the controller.
options:
  services:
    description: The application's services, as in C(workshop_apps). Those with C(candidate) have stages.
    type: list
    elements: dict
    required: true
  stage:
    description: The stage.
    type: str
    choices: [baseline, dark_launch, mirror, rollout, promote, rollback]
    required: true
  service:
    description: The one service to change; all that have stages unless given.
    type: str
  weight:
    description: Percent of the requests for the new version, 0 to 100, in the stage C(rollout).
    type: int
  version:
    description: The new version's tag, instead of the service's C(candidate).
    type: str
  takeover:
    description: Whether routing that somebody else has made or changed may be overwritten.
    type: bool
    default: false
extends_documentation_fragment:
  - istio_games.workshop.cluster
  - istio_games.workshop.cluster.application
attributes:
  check_mode:
    support: full
    description: Changes nothing in any mode.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: See what a canary of one percent takes
  istio_games.workshop.traffic_plan:
    kubeconfig: ~/.kube/config
    namespace: staging
    services: "{{ workshop_apps.alephbeth.services }}"
    stage: rollout
    weight: 1
"""

RETURN = r"""
plan:
  description:
    - Lists of objects to write (C(pin), C(prepare), C(route), C(finish)) and to delete (C(remove)), the versions that
      must run by service (C(versions)), Deployments that do not run yet (C(deploy)) and those to delete (C(retire)).
  type: dict
  returned: success
checks:
  description: What the stage does to requests, for M(istio_games.workshop.split_check).
  type: list
  returned: success
mirrored:
  description: The subset that gets copies, by service.
  type: dict
  returned: success
since:
  description: The time of this look, in seconds since 1970.
  type: float
  returned: success
"""
