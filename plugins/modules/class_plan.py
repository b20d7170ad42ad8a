# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `class_plan` action plugin."""

DOCUMENTATION = r"""
module: class_plan
short_description: Say how many students fit into a room, what limits it, and what to change
description:
  - A model. A place costs what it takes at work, while each service with stages runs in two versions. That is compared
    with what is free of memory, CPU requests, pods, addresses, inotify instances, threads, disk and network policies.
  - In a room that runs, the memory of a pod is measured in the places that are there, or else in the room's own;
    without one, what was measured for this collection counts.
  - What of a machine cannot be asked is not judged. The processor is no limit, it makes a class slow.
options:
  kubeconfig:
    description: The room's kubeconfig. Where there is no such file, it is planned for a room that is not there yet.
    type: path
    default: ""
  room:
    description: The room's name. Unless given, it is that of the variable C(workshop_name).
    type: str
  students:
    description: How many students, or their names as a list or with commas between.
    type: raw
    required: true
  services:
    description: The application's services, as in C(workshop_apps). Unless given, there are five, two with stages.
    type: list
    elements: dict
    default: []
  cpu_request:
    description: What each pod's container asks for, a CPU quantity.
    type: str
    default: 2m
  proxy_cpu_request:
    description: What its proxy asks for, likewise.
    type: str
    default: 2m
  rate:
    description: Requests a second that a place's load client sends to each backend.
    type: float
    default: 0.5
  processor_share:
    description: The part of a node's processors that a place may take for ever; it is judged, and changes no plan.
    type: float
    default: 0.125
  containers:
    description: Whether the room's nodes are containers on this machine, and share what it has.
    type: bool
    default: true
  nodes:
    description: How many nodes a room has that is not there yet.
    type: int
    default: 2
  max_pods:
    description: How many pods a node is told to take before a class is made; 0 where that is left as it is.
    type: int
    default: 250
  pod_threads:
    description: The most threads that one pod may have; 0 where nobody limits them.
    type: int
    default: 0
  quota:
    description:
      - What one place may hold at most, as in a ResourceQuota. The threads and the disk that one who takes all of it
        has over what a place takes at work are kept back.
    type: dict
    default: {}
  inotify:
    description: Inotify instances of one user that the room raises its machine's setting to.
    type: int
    default: 1024
  pid_max:
    description: What its machine's kernel.pid_max is raised to before a class is made.
    type: int
    default: 131072
  storage:
    description: A directory on the disk that the nodes use.
    type: path
    default: /var/lib/containers
  file:
    description: Where the plan is written as JSON on the controller, if there is a room; empty, nowhere.
    type: path
    default: ""
  refuse:
    description: Whether the task fails when the students do not fit, and shows nothing else.
    type: bool
    default: false
extends_documentation_fragment:
  - istio_games.workshop.places.register
attributes:
  check_mode:
    support: full
    description: Writes no file.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: See whether thirty students fit
  istio_games.workshop.class_plan:
    kubeconfig: ~/.kube/config
    students: 30
    namespace: staging
    state_dir: ~/.local/state/istio-workshop/blue
    services: "{{ workshop_apps.alephbeth.services }}"
    refuse: true
"""

RETURN = r"""
plan:
  description: What fits, as docs/status.md describes it.
  type: dict
  returned: success, and when it is refused
silent_nodes:
  description: Names of the room's nodes that do not answer, on which no place is made.
  type: list
  elements: str
  returned: success, and when it is refused
"""
