# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `ownership` action plugin."""

DOCUMENTATION = r"""
module: ownership
short_description: See whose everything is that is about to be written
description:
  - Looks at what a cluster has once for everybody (namespaces, NodePorts, StorageClasses, Istio, the mTLS mode of a
    namespace) before the first write to it, and fails with one sentence for each thing that is somebody else's.
  - Ours is what is absent, and what bears our label and the room's name, or none where it is of a time when rooms were
    not named on objects.
  - Runs on the controller.
options:
  claims:
    description: What will be written, by each part of the play.
    type: list
    elements: dict
    required: true
    suboptions:
      namespaces:
        description: Namespaces that are made, labelled and filled.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: The namespace.
            type: str
            required: true
          setting:
            description: The variable that chooses another one, if there is one.
            type: str
            default: ""
      node_ports:
        description: NodePorts of Services.
        type: list
        elements: dict
        default: []
        suboptions:
          number:
            description: The port.
            type: int
            required: true
          setting:
            description: The variable that chooses another one, if there is one.
            type: str
            default: ""
      volumes:
        description: PersistentVolumeClaims.
        type: list
        elements: dict
        default: []
        suboptions:
          namespace:
            description: Its namespace.
            type: str
            required: true
          name:
            description: Its name.
            type: str
            required: true
          storage_class:
            description: Its StorageClass; empty, it takes the cluster's default one.
            type: str
            default: ""
          setting:
            description: The variable that names a StorageClass, if there is one.
            type: str
            default: ""
      installs_mesh:
        description: Whether Istio is installed or changed.
        type: bool
        default: false
      on_mesh:
        description: The namespace whose pods are on the mesh, and whose mTLS mode is set.
        type: str
        default: ""
  exclusive:
    description: Whether the cluster is the room's alone, so that what was changed of its own Istio is put right.
    type: bool
    default: false
  mesh_namespace:
    description: The namespace of the workshop's own Istio.
    type: str
    default: istio-system
  use_existing_mesh:
    description: Whether the Istio that is there is used as it is, whosever it is.
    type: bool
    default: false
  mesh_revision:
    description: The revision of that Istio that the application's namespace asks for; empty, the default one.
    type: str
    default: ""
  pod_security:
    description: The Pod Security Standard that the application's namespace will enforce.
    type: str
    default: restricted
extends_documentation_fragment:
  - istio_games.workshop.cluster.room
attributes:
  check_mode:
    support: full
    description: Changes nothing in any mode, and fails for the same reasons.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: See whose everything is that the registry writes
  istio_games.workshop.ownership:
    kubeconfig: ~/.kube/config
    claims:
      - namespaces:
          - {name: registry, setting: registry_namespace}
        node_ports:
          - {number: 32000, setting: workshop_registry_node_port}
        volumes:
          - {namespace: registry, name: registry, setting: registry_storage_class}
"""

RETURN = r"""
problems:
  description: The sentences, one for each thing that is somebody else's.
  type: list
  elements: str
  returned: on failure
remarks:
  description: What an Istio that is used lacks, one sentence each.
  type: list
  elements: str
  returned: success
"""
