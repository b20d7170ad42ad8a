# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `traffic_stage` action plugin."""

DOCUMENTATION = r"""
module: traffic_stage
short_description: Lead an application to a stage of progressive delivery, as a transaction
description:
  - Takes the namespace's Lease, looks at what is there, acts in the order that loses no request, proves the stage with
    real requests and the load client's record, and only then removes what the stage has no use for.
  - A version that no user has reached yet is tried with requests of the stage's own first. A proof that fails takes the
    routes back.
  - Fails with the verdict when the stage is not proven. Runs on the controller.
options:
  services:
    description: The application's services, as in C(workshop_apps). Those with C(candidate) have stages.
    type: list
    elements: dict
    required: true
  deployments:
    description: Manifests of the Deployments of all their versions, with images by tag.
    type: list
    elements: dict
    required: true
  registry:
    description: The registry's URL as the controller asks it, for the digests of images that are not deployed yet.
    type: str
    required: true
  build_namespace:
    description: Where images are built, and what was built is written down.
    type: str
    default: build
  stage:
    description: The stage.
    type: str
    choices: [baseline, dark_launch, mirror, rollout, promote, rollback]
    required: true
  service:
    description: The services to change, with commas between; all that have stages unless given.
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
  copies:
    description: Directory on the controller for copies of what is overwritten or deleted with O(takeover).
    type: path
    required: true
  timeout:
    description: Seconds that the callers' proxies may take to hold what was written.
    type: int
    default: 60
extends_documentation_fragment:
  - istio_games.workshop.cluster.application
  - istio_games.workshop.cluster.room
attributes:
  check_mode:
    support: full
    description: Asks the cluster whether it would take every write, shows the differences, proves nothing.
  diff_mode:
    support: full
    description: Shows the routing objects before and after.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Give a canary one percent
  istio_games.workshop.traffic_stage:
    kubeconfig: ~/.kube/config
    namespace: staging
    services: "{{ workshop_apps.alephbeth.services }}"
    deployments: "{{ manifests }}"
    registry: http://127.0.0.1:32000
    stage: rollout
    weight: 1
    copies: /var/tmp/taken-over
"""

RETURN = r"""
verdict:
  description:
    - What became of the stage; docs/status.md describes it. Its C(verdict) is V(proven), V(unfinished) (proven, but
      what it has no use for is still there), V(refused) (before a user's request had another answer), V(taken back) or
      V(not proven), with C(reasons).
  type: dict
  returned: always
"""
