# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `connection_check` action plugin."""

DOCUMENTATION = r"""
module: connection_check
short_description: Try who reaches a Service and who is refused
description:
  - Starts a short-lived pod for each caller, lets it connect to its targets, and removes it again. Fails when a
    connection that must be refused is let through, or the other way round. Runs on the controller.
options:
  namespace:
    description: Namespace of the targets' Services.
    type: str
    required: true
  image:
    description: An image with busybox' sh and nc.
    type: str
    required: true
  callers:
    description: The pods that try.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What the caller is called.
        type: str
        required: true
      namespace:
        description: The pod's namespace.
        type: str
        required: true
      labels:
        description: The pod's labels, by which network policies know it.
        type: dict
        default: {}
      targets:
        description: Services to connect to, as SERVICE:PORT.
        type: list
        elements: str
        required: true
      speak:
        description:
          - What a pod tries. C(tcp) connects; C(http) asks for C(/healthz) too, once it can connect, so that what
            refuses it is the other side's proxy and no network policy.
        type: str
        choices: [tcp, http]
        default: tcp
      meshed:
        description: Whether the pod gets a proxy of its own, where its namespace is on the mesh.
        type: bool
        default: false
      expect:
        description: What must happen.
        type: str
        choices: [reached, refused]
        required: true
  timeout:
    description: Seconds that all of them, side by side, may take.
    type: int
    default: 120
extends_documentation_fragment:
  - istio_games.workshop.cluster
attributes:
  check_mode:
    support: full
    description: Starts no pod.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: An intruder is refused by the database
  istio_games.workshop.connection_check:
    kubeconfig: ~/.kube/config
    namespace: staging
    image: localhost/workshop/busybox:1.35.0
    callers:
      - name: intruder
        namespace: default
        targets: ["mongo:27017"]
        expect: refused
"""

RETURN = r"""
connections:
  description: Result by caller and target.
  type: dict
  returned: success
"""
