# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of options that plugins take which name images by their digest."""


class ModuleDocFragment:
    """Where images are, and where is written down what was built (standard files)."""

    DOCUMENTATION = r"""
options:
  registry:
    description: The registry's URL as the controller asks it.
    type: str
    required: true
  build_namespace:
    description: Where images are built, and what was built is written down.
    type: str
    default: build
"""
