# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `student_archive` action plugin."""

DOCUMENTATION = r"""
module: student_archive
short_description: Write the work of students into files, a file each, or restore one
description:
  - A file holds where each service's stage stood, the student's own Deployments and routes, and each backend's devices.
    It is for its owner's eyes alone (0600), and names the sha256 of what is in it.
  - What is restored is judged before anything is changed. The place must be there and unused, or hold a part of the
    same work. Stages are taken as transactions, and the student's own objects are made with the student's own rights.
options:
  directory:
    description: Where the files are written on the controller.
    type: path
    required: true
  restore:
    description: The file to restore, where O(places) are all of the room; unless given, files are written.
    type: path
  student:
    description: Into whose place it is restored; unless given, that of the student whose work it is.
    type: raw
  services:
    description: The application's services, as in C(workshop_apps).
    type: list
    elements: dict
    required: true
  deployments:
    description: The Deployments of all versions as students have them, with C(PLACE) for the student's name.
    type: list
    elements: dict
    required: true
  timeout:
    description: Seconds that the callers' proxies may take to hold what was written.
    type: int
    default: 60
extends_documentation_fragment:
  - istio_games.workshop.images
  - istio_games.workshop.places
  - istio_games.workshop.cluster.room
attributes:
  check_mode:
    support: full
    description: Writes nothing; what is to be restored is judged, and what of it is lacking is told.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Archive a place
  istio_games.workshop.student_archive:
    kubeconfig: ~/.kube/config
    places: "{{ meant.places }}"
    directory: ~/archives
    services: "{{ workshop_apps.alephbeth.services }}"
    deployments: "{{ student_deployments }}"
    registry: http://127.0.0.1:32000
"""

RETURN = r"""
files:
  description: By student, the file that was written.
  type: dict
  returned: when archiving
"""
