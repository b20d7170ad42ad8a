# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of what several plugins do in check mode."""


class ModuleDocFragment:
    """It looks, and changes nothing (standard files)."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Changes nothing in any mode.
"""
