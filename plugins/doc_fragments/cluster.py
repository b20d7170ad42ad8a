# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of options that several plugins take."""


class ModuleDocFragment:
    """The cluster (standard files); with it the room that it is for, or an application's namespace and who calls whom.

    Each part holds the cluster, so that a plugin names one of them, or several.
    """

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description: The kubeconfig file.
    type: path
    required: true
"""

    ROOM = f"""{DOCUMENTATION}
  room:
    description:
      - The room's name, for the label C(workshop.istio-games/room) of every object that is made.
      - Unless given, it is that of the variable C(workshop_name).
    type: str
"""

    APPLICATION = f"""{DOCUMENTATION}
  namespace:
    description: The application's namespace.
    type: str
    required: true
"""

    CALLEES = f"""{DOCUMENTATION}
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
