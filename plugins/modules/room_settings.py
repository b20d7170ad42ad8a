# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `room_settings` action plugin."""

DOCUMENTATION = r"""
module: room_settings
short_description: Give a host the settings of its room
description:
  - A setting is what was given with C(-e), or else what the inventory says, or else what the room remembers, or else
    the default in the role C(room).
  - Those of the last two kinds become variables of the host, as with M(ansible.builtin.add_host), for all plays that
    follow; what is a template stays one.
options:
  host:
    description: The host; the one that the task runs on, unless given.
    type: str
attributes:
  check_mode:
    support: full
    description: Changes nothing but this run's variables.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Give every host the room's settings
  istio_games.workshop.room_settings:
"""

RETURN = r"""
add_host:
  description: The host, and its variables.
  type: dict
  returned: success
"""
