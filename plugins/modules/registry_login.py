# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `registry_login` action plugin."""

DOCUMENTATION = r"""
module: registry_login
short_description: Make sure of the login that a push to the registry takes
description:
  - Keeps the user C(workshop), a password that was made at random, and its bcrypt hash as htpasswd has it in the Secret
    C(registry-login) of the registry's namespace. A Secret that lacks one of them, or whose hash is not that of its
    password, is made anew.
  - Writes the login to a file for Podman, Docker and skopeo, readable by its owner alone. Runs on the controller.
options:
  namespace:
    description: The registry's namespace.
    type: str
    required: true
  addresses:
    description: The registry's HOST:PORT, as those who read the login name it.
    type: list
    elements: str
    required: true
  file:
    description: Where to write it, as C(config.json) of Docker; nowhere unless given.
    type: path
extends_documentation_fragment:
  - istio_games.workshop.cluster.room
attributes:
  check_mode:
    support: full
    description: Nothing is made; a login that is not there yet is empty.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Make sure of the login
  istio_games.workshop.registry_login:
    kubeconfig: ~/.kube/config
    namespace: registry
    addresses: [127.0.0.1:32000]
    file: ~/.local/state/istio-workshop/workshop/registry/config.json
  register: made
  no_log: true
"""

RETURN = r"""
login:
  description: C(user) and C(password).
  type: dict
  returned: success
docker_config:
  description: The login as C(config.json) of Docker has it, for all addresses.
  type: str
  returned: success
"""
