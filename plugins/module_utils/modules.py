# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What our modules have in common: they act on a node, and every end of one is a result."""

from __future__ import annotations

import subprocess
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError, unexpected

Result = dict[str, Any]


def run(name: str, arguments: Mapping[str, Any], act: Callable[[AnsibleModule, Result], None]) -> None:
    """Run a module.

    Args:
        name: the module's name, for people.
        arguments: its argument spec, the same as in its documentation.
        act: does the work and writes down in the result what it has done; so much is returned of a failure too.
    """
    module = AnsibleModule(argument_spec=dict(arguments), supports_check_mode=True)
    result: Result = {"changed": False}
    try:
        act(module, result)
    except WorkshopError as error:
        module.fail_json(**{**result, **error.result, "msg": str(error)})
    except subprocess.CalledProcessError as error:
        module.fail_json(**{**result, "msg": f"{name}: {_failed(error)}"})
    except OSError as error:
        module.fail_json(**{**result, "msg": f"{name}: {error}."})
    except Exception as error:
        module.fail_json(**{**result, "msg": unexpected(name, error), "exception": traceback.format_exc()})
    module.exit_json(**result)


def _failed(error: subprocess.CalledProcessError) -> str:
    """Say which command failed, and the last that it said."""
    command = error.cmd if isinstance(error.cmd, str) else " ".join(map(str, error.cmd))
    said = error.stderr or error.output or ""
    text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    return f"{command} failed ({error.returncode}): {text.strip()[-400:] or 'without a word'}"
