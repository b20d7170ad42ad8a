# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `several_rooms` action plugin."""

DOCUMENTATION = r"""
module: several_rooms
short_description: Play a playbook for the students of several rooms
description:
  - Reads from each room's cluster who has a place there, gives who has none to the room with the fewest, and plays the
    playbook in each room that has something to do, an C(ansible-playbook) of its own each.
  - Nobody is moved. Rooms hinder each other as little as places do; the task fails, after all of them, when one has
    failed.
  - With C(class), every room says first whether its students fit; if one does not, nothing is changed in any.
  - Writes the class of all rooms into C(class.json), and what a stage or a look found into a file of that playbook's
    own (C(stages.json), C(statuses.json), C(verified.json)), beside the rooms' directories.
options:
  playbook:
    description: The playbook, without its ending.
    type: str
    required: true
  rooms:
    description: The rooms' names, in the order in which they take students.
    type: list
    elements: str
    required: true
  most:
    description: The most students of a room, by its name. One that is not named has no limit but its own.
    type: dict
    default: {}
  student:
    description: Students by name, as a list or with commas between, C(all) or C(expired).
    type: raw
  students:
    description: How many students there are to be, or their names.
    type: raw
  at_once:
    description: How many rooms play at a time, 1 to 100. Each takes some 60 MB of this machine meanwhile.
    type: raw
    default: 8
attributes:
  check_mode:
    support: full
    description: The rooms play in check mode.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Make a class of sixty in two rooms
  istio_games.workshop.several_rooms:
    playbook: class
    rooms: [blue, green]
    students: 60
"""

RETURN = r"""
rooms:
  description: The students of each room, by its name.
  type: dict
  returned: success
"""
