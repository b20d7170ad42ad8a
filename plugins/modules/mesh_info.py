# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `mesh_info` action plugin."""

DOCUMENTATION = r"""
module: mesh_info
short_description: Tell what the mesh means for an application
description:
  - Says whether there is a mesh, and which versions of the application's services the stages run that they are at.
  - Runs on the controller.
options:
  mesh_namespace:
    description: The mesh's own namespace.
    type: str
    default: istio-system
  revision:
    description: With an Istio of somebody else, the revision that a namespace is to ask for; empty, the default one.
    type: str
    default: ""
extends_documentation_fragment:
  - istio_games.workshop.check_mode
  - istio_games.workshop.cluster.application
  - istio_games.workshop.cluster.room
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: See whether there is a mesh
  istio_games.workshop.mesh_info:
    kubeconfig: ~/.kube/config
    namespace: staging
"""

RETURN = r"""
mesh:
  description: What identifies the mesh's installation, C(existing-REVISION) for somebody else's, empty without a mesh.
  type: str
  returned: success
mirrored:
  description: The Deployments that get copies of requests alone.
  type: list
  returned: success
namespace_labels:
  description: What puts a namespace on the mesh.
  type: dict
  returned: success
own:
  description: Whether the room has installed it.
  type: bool
  returned: success
strict_everywhere:
  description: Whether an older room of this name has made mTLS strict for every namespace.
  type: bool
  returned: success
versions:
  description: Lists of tags by service, for the services that are at a stage.
  type: dict
  returned: success
"""
