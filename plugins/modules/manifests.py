# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `manifests` action plugin."""

DOCUMENTATION = r"""
module: manifests
short_description: Apply Kubernetes manifests as the workshop's one field manager
description:
  - Server-side apply through M(kubernetes.core.k8s), with what every use of it here has in common. Fields that somebody
    else has taken over are taken back; what only the cluster writes is no change of ours.
  - Every object gets the labels C(app.kubernetes.io/managed-by=istio-workshop) and C(workshop.istio-games/room), by
    which it is known as ours. Its pods do not.
options:
  manifests:
    description: The manifests, each a dictionary or YAML text; what is empty is left out.
    type: list
    elements: raw
    required: true
extends_documentation_fragment:
  - istio_games.workshop.cluster.room
attributes:
  check_mode:
    support: full
    description: The server tries it; a namespace or kind that would be made before is no failure.
  diff_mode:
    support: full
    description: Shows what the server would change.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Apply the registry
  istio_games.workshop.manifests:
    kubeconfig: ~/.kube/config
    manifests: "{{ query('ansible.builtin.template', 'namespace.yml.j2', 'deployment.yml.j2') }}"
"""

RETURN = r"""
result:
  description: The object, or for several of them a list C(results) of what M(kubernetes.core.k8s) returns for each.
  type: dict
  returned: success
"""
