# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judging a lock.json by lock.schema.json.

What of JSON Schema that file uses, and no more: the library that does all of it is no part of Ansible, and a machine
that has a kit and nothing else must be able to read it. A unit test holds both to the same verdicts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_TYPES: dict[str, type] = {"object": dict, "array": list, "string": str, "integer": int}
SCHEMA_FILE = Path(__file__).with_name("lock.schema.json")


def problem(data: Any) -> str | None:
    """Name the first thing in a lock that the schema does not allow, None when there is none."""
    schema = json.loads(SCHEMA_FILE.read_text())
    return next(_problems(data, schema, schema["$defs"], ""), None)


def _problems(data: Any, schema: Mapping[str, Any], shared: Mapping[str, Any], where: str) -> Iterator[str]:
    if reference := schema.get("$ref"):
        schema = shared[reference.rpartition("/")[2]]
    shown = f"{where.lstrip('.') or 'the whole'} is {_shown(data)}"
    if "enum" in schema and data not in schema["enum"]:
        yield f"{shown}, not {' or '.join(map(str, schema['enum']))}"
    kind = schema.get("type")
    if kind and (not isinstance(data, _TYPES[kind]) or isinstance(data, bool)):
        yield f"{shown}, not of the type {kind}"
    elif isinstance(data, str) and not re.fullmatch(schema.get("pattern", ".*"), data):
        yield f"{shown}, which must match {schema['pattern']}"
    elif kind == "array":
        for number, item in enumerate(data):
            yield from _problems(item, schema["items"], shared, f"{where}[{number}]")
    elif kind == "object":
        yield from _object_problems(data, schema, shared, where)


def _object_problems(
    data: Mapping[str, Any], schema: Mapping[str, Any], shared: Mapping[str, Any], where: str
) -> Iterator[str]:
    known = schema.get("properties", {})
    further = schema["additionalProperties"]
    for name in schema.get("required", []):
        if name not in data:
            yield f"{f'{where}.{name}'.lstrip('.')} is missing"
    for name, value in data.items():
        inside = f"{where}.{name}"
        yield from _problems(name, schema.get("propertyNames", {}), shared, f"{where}: a name")
        if name in known or further:
            yield from _problems(value, known.get(name, further), shared, inside)
        else:
            yield f"{inside.lstrip('.')} is not known"


def _shown(data: Any) -> str:
    text = json.dumps(data)
    return text if len(text) <= 80 else text[:77] + "..."
