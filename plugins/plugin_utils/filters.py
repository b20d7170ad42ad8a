# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What filters have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError


def explained(function: Callable[..., Any]) -> Callable[..., Any]:
    """Turn what `function` says about its input into Ansible's error."""

    def call(*arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except (ValueError, OSError) as error:
            raise AnsibleFilterError(str(error)) from error

    return call
