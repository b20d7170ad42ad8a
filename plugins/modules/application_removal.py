# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `application_removal` action plugin."""

DOCUMENTATION = r"""
module: application_removal
short_description: Remove a room's applications
description:
  - Removes those of some namespaces that bear our label and the room's name, and waits until they are gone.
  - Says of everything that a person might expect to go why it stays. Runs on the controller.
options:
  namespaces:
    description: The applications' namespaces.
    type: list
    elements: str
    required: true
  timeout:
    description: Seconds that they may take to go.
    type: int
    default: 180
  with_others:
    description:
      - Whether what somebody else has put into them goes as well. Otherwise a namespace with such things stays, and
        only what is ours in it goes.
    type: bool
    default: false
extends_documentation_fragment:
  - istio_games.workshop.cluster.room
attributes:
  check_mode:
    support: full
    description: Tells what would be removed, and what would stay.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Remove the applications
  istio_games.workshop.application_removal:
    kubeconfig: ~/.kube/config
    namespaces: [staging, dockercoins]
"""

RETURN = r"""
removed:
  description: What was removed.
  type: list
  elements: str
  returned: success
stays:
  description: What stays, and why, one sentence each.
  type: list
  elements: str
  returned: success
"""
