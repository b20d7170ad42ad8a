# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `students` action plugin."""

DOCUMENTATION = r"""
module: students
short_description: Make, reset, suspend, resume or remove the places of students
description:
  - Works on several places side by side. A place that fails is named with its cause, and hinders no other; the task
    fails then, after all of them, and the same command typed again goes on.
  - A place is C(ready) only when it was proved. Its kubeconfig was used, and may do what it must and nothing else; an
    intruder reaches none of its pods, and none of them gets out; its page answers, and its services as their version.
  - One that is C(ready) or C(suspended) is not made again. A kubeconfig that has ended, or is about to, is renewed.
options:
  work:
    description:
      - C(make) makes places, C(reset) empties them and makes them anew, C(suspend) lets none of their pods run,
        C(resume) brings back what was suspended, C(remove) leaves nothing of them.
    type: str
    choices: [make, reset, suspend, resume, remove]
    required: true
  names:
    description: The students' names.
    type: list
    elements: str
    required: true
  manifests:
    description: The objects of a place, as YAML text, with C(PLACE) where the student's name belongs.
    type: list
    elements: raw
    default: []
  services:
    description: The application's services, as in C(workshop_apps).
    type: list
    elements: dict
    default: []
  hours:
    description: How many hours a kubeconfig is good for.
    type: int
    default: 24
  at_once:
    description: How many places are worked on at a time.
    type: int
    default: 3
  door:
    description: The URL of the door, to which a place's path is added. Empty, the page's pod is asked itself.
    type: str
    default: ""
  timeout:
    description: Seconds for the pods of one place to come up, and as many for the nodes to follow its policies.
    type: int
    default: 180
  probe_image:
    description: The image of the pod that tries the policies from outside, with BusyBox.
    type: str
    required: true
  probe_namespace:
    description: Its namespace, which must not be a place.
    type: str
    default: default
extends_documentation_fragment:
  - istio_games.workshop.places.register
  - istio_games.workshop.cluster.room
attributes:
  check_mode:
    support: full
    description: Tells which places would be worked on.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Make two places
  istio_games.workshop.students:
    kubeconfig: ~/.kube/config
    work: make
    names: [student-01, student-02]
    namespace: staging
    state_dir: ~/.local/state/istio-workshop/blue
    manifests: "{{ app_manifests }}"
    services: "{{ workshop_apps.alephbeth.services }}"
    probe_image: busybox
"""

RETURN = r"""
students:
  description: Every student's place as it is now (see M(istio_games.workshop.student_places)).
  type: list
  elements: dict
  returned: when no place failed; else they are in the room's C(class.json)
outcomes:
  description: What became of each place that was worked on, with C(name), C(state), C(seconds) and C(cause).
  type: list
  elements: dict
  returned: when no place failed; else they are in the room's C(class.json)
"""
