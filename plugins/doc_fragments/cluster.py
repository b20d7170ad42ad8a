# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of options that several plugins take."""


class ModuleDocFragment:
    """The cluster (standard files), the room that it is for, its application's namespace, and who calls whom there."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description: The kubeconfig file.
    type: path
    required: true
"""

    ROOM = r"""
options:
  room:
    description:
      - The room's name, for the label C(workshop.istio-games/room) of every object that is made.
      - Unless given, it is that of the variable C(workshop_name).
    type: str
"""

    APPLICATION = r"""
options:
  namespace:
    description: The application's namespace.
    type: str
    required: true
"""

    CALLEES = r"""
options:
  callees:
    description: The services in question, and who calls them.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The Service's name.
        type: str
        required: true
      port:
        description: Its port.
        type: int
        required: true
      callers:
        description: The calling pods' label C(app).
        type: list
        elements: str
        required: true
"""
