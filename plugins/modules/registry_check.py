# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `registry_check` action plugin."""

DOCUMENTATION = r"""
module: registry_check
short_description: Read everything that the registry holds, and remove what is broken
description:
  - Reads every image with its layers, and compares sizes and digests. When something is there and is not what its
    digest says, the registry is restarted, whose pod removes that when it starts; what is missing then is pushed or
    built again by what follows.
  - Names every image that is damaged. Runs on the controller.
options:
  registry:
    description: The registry's URL as the controller reaches it.
    type: str
    required: true
  namespace:
    description: Where the registry runs.
    type: str
    required: true
  timeout:
    description: Seconds that it may take until it answers at all; not waited for in check mode.
    type: float
    default: 30
extends_documentation_fragment:
  - istio_games.workshop.cluster
attributes:
  check_mode:
    support: full
    description: Nothing is removed.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Read everything
  istio_games.workshop.registry_check:
    kubeconfig: ~/.kube/config
    registry: http://127.0.0.1:32000
    namespace: registry
"""

RETURN = r"""
damaged:
  description: What is wrong, by image as NAME:TAG.
  type: dict
  returned: success
"""
