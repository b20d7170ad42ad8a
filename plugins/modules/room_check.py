# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `room_check` action plugin."""

DOCUMENTATION = r"""
module: room_check
short_description: Find the room that a playbook is meant for, and judge what was given
description:
  - The room is the one that C(workshop_name) names, or else the only one there is.
  - Fails with one sentence when it isn't there, when a name that was given with C(-e) is read by nothing, when a
    value is not of the kind that its option takes, and when a setting cannot be another one than the room's. Every
    other difference is shown.
options:
  purpose:
    description: What the playbook does with its room.
    type: str
    choices:
      make: Makes it, or changes any of its settings.
      change: Changes what runs in it.
      use: Uses it as it is.
      remove: Removes it.
    default: use
attributes:
  check_mode:
    support: full
    description: Changes nothing in any case.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Find the room, and judge what was given
  istio_games.workshop.room_check:
    purpose: make
  run_once: true
"""

RETURN = r"""
name:
  description: The room's name.
  type: str
  returned: success
changes:
  description: The settings that differ from the room's, each with C(name), C(old) and C(new).
  type: list
  elements: dict
  returned: success
"""
