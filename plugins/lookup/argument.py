# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was typed with -e."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.plugins.lookup import LookupBase
from ansible.utils.vars import load_extra_vars

DOCUMENTATION = r"""
name: argument
short_description: An argument of one run, as it was typed with C(-e)
description:
  - Gives what C(-e) has under a short name such as C(version), and never a variable of an inventory or of a playbook
    that happens to have the same one. There, the role's own option is set, such as C(traffic_version).
options:
  _terms:
    description: The name.
    required: true
  default:
    description: The value when it was not typed.
    type: raw
author: The workshop's maintainers
"""

EXAMPLES = r"""
traffic_weight: "{{ lookup('istio_games.workshop.argument', 'weight', default=none) }}"
"""

RETURN = r"""
_raw:
  description: The value.
  type: list
  elements: raw
"""


class LookupModule(LookupBase):
    """Reads Ansible's extra variables."""

    def run(self, terms: Sequence[str], variables: Mapping[str, Any] | None = None, **options: Any) -> list[Any]:
        """Give the value of each name."""
        self.set_options(var_options=variables, direct=options)
        given = load_extra_vars(self._loader)
        return [given.get(name, self.get_option("default")) for name in terms]
