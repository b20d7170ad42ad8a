# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of options that plugins take which work on places, the room's own and students'."""


class ModuleDocFragment:
    """The places to work on (standard files); where a room keeps what it knows of them."""

    DOCUMENTATION = r"""
options:
  places:
    description: The places to work on, side by side, as M(istio_games.workshop.student_places) gives them.
    type: list
    elements: dict
    required: true
  all:
    description:
      - Whether every student is meant. Then places that are suspended, or were never made whole, are passed over.
    type: bool
    default: false
  at_once:
    description: How many places are worked on at a time.
    type: int
    default: 3
"""

    REGISTER = r"""
options:
  namespace:
    description: The namespace of the room's own place.
    type: str
    required: true
  state_dir:
    description: The room's state directory on the controller.
    type: path
    required: true
"""
