# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""An action plugin's options, read from its documentation: the one place where they are written."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

import yaml

COLLECTION = "istio_games.workshop"
PLUGINS = f"ansible_collections.{COLLECTION}.plugins"
# What documentation and Ansible's argument specs call the same.
_SAME = ("type", "elements", "default", "required", "aliases", "no_log")


@cache
def documented_spec(name: str) -> dict[str, dict[str, Any]]:
    """Give the argument spec of the plugin that plugins/modules/`name`.py documents, doc fragments included."""
    documentation = yaml.safe_load(import_module(f"{PLUGINS}.modules.{name}").DOCUMENTATION)
    options: dict[str, Any] = {}
    for fragment in documentation.get("extends_documentation_fragment", []):
        options |= _fragment(fragment)["options"]
    return argument_spec(options | documentation.get("options", {}))


def _fragment(name: str) -> dict[str, Any]:
    """Read one of our doc fragments, COLLECTION.FILE or COLLECTION.FILE.PART."""
    file, _, part = name.removeprefix(f"{COLLECTION}.").partition(".")
    fragment = import_module(f"{PLUGINS}.doc_fragments.{file}").ModuleDocFragment
    return dict(yaml.safe_load(getattr(fragment, part.upper() or "DOCUMENTATION")))


def argument_spec(options: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Turn documented options into what Ansible's ArgumentSpecValidator takes.

    >>> argument_spec({"names": {"description": "Names.", "type": "list", "elements": "str", "required": True}})
    {'names': {'type': 'list', 'elements': 'str', 'required': True}}
    """
    return {name: _argument(option) for name, option in options.items()}


def _argument(option: Mapping[str, Any]) -> dict[str, Any]:
    argument = {key: option[key] for key in _SAME if key in option}
    if "choices" in option:
        argument["choices"] = list(option["choices"])  # documented as a list, or by a description each
    if "suboptions" in option:
        argument["options"] = argument_spec(option["suboptions"])
    return argument


def plain(value: Any) -> Any:
    """Give a value without the tags that Ansible puts on each part of it, which YAML and JSON writers refuse."""
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    for kind in (str, int, float):
        if isinstance(value, kind) and not isinstance(value, bool):
            return kind(value)
    return value
