# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `traffic_stage` action plugin."""

DOCUMENTATION = r"""
module: traffic_stage
short_description: Lead an application to a stage of progressive delivery, as a transaction
description:
  - Each place is a transaction of its own; one that fails hinders no other. The room's own place and students' are not
    led together, since their Deployments differ.
  - Takes the namespace's Lease, looks at what is there, acts in the order that loses no request, proves the stage with
    real requests and the load client's record, and only then removes what the stage has no use for.
  - A version that no user has reached yet is tried with requests of the stage's own first. A proof that fails takes the
    routes back.
  - Fails with the verdict when the stage is not proven. Runs on the controller.
options:
  anew:
    description:
      - Whether a place is put right first, whatever was done to it, and then led to the stage of a first walk, whatever
        has been promoted since.
      - The application's objects are replaced as a whole. What runs pods or rules them, and is not the application's,
        is removed, with a copy kept; what a student has made besides is named. Routing is taken over.
    type: bool
    default: false
  objects:
    description: All objects of a place, as YAML text, for O(anew).
    type: list
    elements: raw
    default: []
  hours:
    description: How many hours a student's kubeconfig is good for, where O(anew) makes another.
    type: int
    default: 24
  summary:
    description: Where the summary of several places is written as JSON on the controller.
    type: path
    required: true
  services:
    description: The application's services, as in C(workshop_apps). Those with C(candidate) have stages.
    type: list
    elements: dict
    required: true
  deployments:
    description: Manifests of the Deployments of all their versions, with images by tag. Those of a student's place have
      C(PLACE) for the student's name, as O(objects) do.
    type: list
    elements: dict
    required: true
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
  timeout:
    description: Seconds that the callers' proxies may take to hold what was written.
    type: int
    default: 60
extends_documentation_fragment:
  - istio_games.workshop.images
  - istio_games.workshop.places
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
    places: "{{ meant.places }}"
    summary: ~/.local/state/istio-workshop/blue/stages.json
    services: "{{ workshop_apps.alephbeth.services }}"
    deployments: "{{ manifests }}"
    registry: http://127.0.0.1:32000
    stage: rollout
    weight: 1
"""

RETURN = r"""
verdict:
  description:
    - What became of the stage; docs/status.md describes it. Its C(verdict) is V(proven), V(unfinished) (proven, but
      what it has no use for is still there), V(refused) (before a user's request had another answer), V(taken back) or
      V(not proven), with C(reasons).
  type: dict
  returned: of one place
summary:
  description: What became of several places, as docs/status.md says.
  type: dict
  returned: of several places, when all are as they must be; it is in the room's directory in any case
"""
