# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What filters have in common."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleError, AnsibleFilterError

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError, unexpected


def explained(function: Callable[..., Any]) -> Callable[..., Any]:
    """Turn what `function` says about its input, and whatever else it ends with, into one sentence."""

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except AnsibleError:
            raise
        except (WorkshopError, ValueError, OSError) as error:
            raise AnsibleFilterError(str(error)) from error
        except Exception as error:
            raise AnsibleFilterError(unexpected(function.__name__, error)) from error

    return call
