# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `room_record` action plugin."""

DOCUMENTATION = r"""
module: room_record
short_description: Remember what a room was given, or forget it
description:
  - Keeps what was given with C(-e), as far as it differs from the defaults, and the inventory in C(room.yml) in the
    room's state directory, which only its owner can read. Passwords are not kept.
options:
  state:
    description: Whether the room is remembered.
    type: str
    choices: [present, absent]
    default: present
  inventory:
    description: Whether this run's inventory is the room's from now on.
    type: bool
    default: false
  begun:
    description: Whether more of the room than its bundle is made from now on, so that its subnets stay as they are.
    type: bool
    default: true
attributes:
  check_mode:
    support: full
    description: Tells what would be remembered.
  diff_mode:
    support: full
    description: Shows the file's lines.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Remember the room's settings
  istio_games.workshop.room_record:
"""

RETURN = r"""
path:
  description: The file.
  type: str
  returned: success
"""
