"""A kit's files beside its bill of materials."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# What a machine installs; indexes and lists of requirements are no packages.
_PACKAGES = (".whl", ".deb", ".tar.gz")


def left_out(apart: Path, bill: Mapping[str, Any]) -> list[str]:
    """Name the packages in a kit, taken apart, that its bill of materials does not name byte for byte."""
    named = {(item["bom-ref"], digest["content"]) for item in bill["components"] for digest in item.get("hashes", [])}
    packages = [path for path in sorted(apart.rglob("*")) if path.name.endswith(_PACKAGES)]
    found = [(str(path.relative_to(apart)), hashlib.sha256(path.read_bytes()).hexdigest()) for path in packages]
    return [name for name, digest in found if (name, digest) not in named]


def without_licence(bill: Mapping[str, Any]) -> list[str]:
    """Name the entries that say nothing of a licence."""
    return [item["bom-ref"] for item in bill["components"] if not item.get("licenses")]
