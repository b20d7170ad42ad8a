# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a room whose nodes are there may take a bundle: nothing here upgrades what runs in a cluster.

New nodes beside an old control plane, an etcd that finds the data of an older one, sidecars of two Istios: each is
half an upgrade. Everything else that a bundle holds (the services' wheels, base images, other builds of the same
versions) is taken by a room that is up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.contract import LOCK
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError

# What must stay as it is while a room's nodes are there, as people call it.
COMPARED = {
    "kubernetes": "Kubernetes",
    "etcd": "etcd",
    "containerd": "containerd",
    "istio": "Istio",
    "proxy": "proxy",
    "architecture": "architecture",
}


def running_versions(bundle: Path) -> dict[str, str]:
    """What a room was made of, by the lock of its bundle, of whatever schema; nothing where that is gone."""
    try:
        data = json.loads((bundle / LOCK).read_text())
        if "versions" in data:
            return {**data["versions"], "proxy": data["proxy"], "architecture": data["architecture"]}
        # Before there was a schema, parts had names and versions alone.
        return {part["name"].removeprefix("go "): part["version"] for part in data["parts"] if "version" in part}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def refuse_half_an_upgrade(running: Mapping[str, str], offered: Mapping[str, str]) -> None:
    """Raise a BundleError if a room that runs the one must not take a bundle that holds the other.

    Args:
        running: versions by name; what is not known is not compared.
        offered: the bundle's.
    """
    differing = [name for name in COMPARED if name in running and name in offered and running[name] != offered[name]]
    if differing:
        has = ", ".join(f"{COMPARED[name]} {running[name]}" for name in differing)
        gets = ", ".join(f"{COMPARED[name]} {offered[name]}" for name in differing)
        raise BundleError(
            f"The room runs {has}, and the bundle holds {gets}: nothing was changed, since half of an upgrade is none. "
            "Type make down and then make up for a room with the new one; until then, every playbook but site.yml and "
            "bundle.yml goes on with the room's own bundle."
        )


def with_api(running: Mapping[str, str], kubernetes: str) -> dict[str, Any]:
    """Believe the API server's own version, where it was asked, more than the room's bundle.

    >>> with_api({"kubernetes": "1.35.0", "etcd": "3.6.8"}, "v1.36.3")
    {'kubernetes': '1.36.3', 'etcd': '3.6.8'}
    """
    return {**running, **({"kubernetes": kubernetes.removeprefix("v")} if kubernetes else {})}
