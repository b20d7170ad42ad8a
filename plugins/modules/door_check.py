# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `door_check` action plugin."""

DOCUMENTATION = r"""
module: door_check
short_description: See that the door answers, and leads to the pages of places
description:
  - Asks the door, and through it for each place's page, as a browser would that knows the door's CA, until every
    backend has answered. So its certificate is judged, a CA that is known, its time, and the name that was asked for.
  - The door itself leads nowhere, so that it answers C(/) with 404.
  - Runs on the controller, and changes nothing.
options:
  url:
    description: The door's URL, to which a place's path is added.
    type: str
    required: true
  ca_file:
    description: PEM file of the CAs that the door's certificate may be of. Empty, those that this machine trusts.
    type: path
    default: ""
  places:
    description:
      - The places, as M(istio_games.workshop.student_places) gives them. One that is not C(ready) is passed over.
    type: list
    elements: dict
    default: []
  at_once:
    description: How many places are asked at a time.
    type: int
    default: 5
  timeout:
    description: Seconds that the door, and each page, may take until they answer.
    type: int
    default: 30
attributes:
  check_mode:
    support: full
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: See that the door leads to everybody's page
  istio_games.workshop.door_check:
    url: https://127.0.0.1:30443
    ca_file: ~/.local/state/istio-workshop/blue/door/ca.crt
    places: "{{ found.students }}"
"""

RETURN = r"""
asked:
  description: The names of the places whose page was asked for.
  type: list
  elements: str
  returned: success
"""
