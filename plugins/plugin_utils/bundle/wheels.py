# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a bundle's base image can build the services: it installs their wheels without a network, by their hashes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.contract import read

# A requirement with its hashes, as `make deps` writes it.
_REQUIREMENT = re.compile(
    r"^(?P<what>[A-Za-z0-9._-]+(?:\[[^\]]*\])?==\S+)(?P<rest>(?:\s*\\\n\s+--hash=\S+)+)", re.MULTILINE
)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def missing_wheels(bundle: str, source: str, builds: Iterable[Mapping[str, Any]]) -> list[str]:
    """Give a sentence if the bundle in the directory `bundle` lacks wheels that services require; none if it has all.

    Args:
        bundle: the room's bundle.
        source: directory of the services' sources.
        builds: the images to build, of whose paths below `source` each may hold a requirements.txt.

    Raises:
        BundleError: it is no bundle that this version can use.
    """
    lock = read(Path(bundle))
    wheels = {file.sha256 for name, file in lock.files.items() if name.startswith("wheels/")}
    files = {Path(source) / path / "requirements.txt" for build in builds for path in build["paths"]}
    lacking = sorted({what for file in files if file.is_file() for what in _lacking(file.read_text(), wheels)})
    if not lacking:
        return []
    return [
        f"The room's bundle ({lock.key}) is older than its services need: it has no wheel of {', '.join(lacking)}, "
        "which a build would install. Type make up, which gives the room a newer bundle, and goes on from there."
    ]


def _lacking(requirements: str, wheels: set[str]) -> Iterator[str]:
    """Name the requirements of which none of the files that may be installed is there."""
    for match in _REQUIREMENT.finditer(requirements):
        if not wheels.intersection(_HASH.findall(match["rest"])):
            yield match["what"]
