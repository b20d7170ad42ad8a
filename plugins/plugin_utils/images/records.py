# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was built, written down outside the registry: whoever can write to the registry cannot write here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import labelled

# The ConfigMap, in the namespace of the builds.
NAME = "images"


@dataclass(frozen=True)
class Record:
    """One image as it was built.

    Attributes:
        digest: of its manifest, as the build itself gave it.
        source: the digest of everything that it was made of.
    """

    digest: str
    source: str


class Records:
    """The records of one namespace.

    Args:
        room: the room's name, which the ConfigMap bears; needed to write alone.
    """

    def __init__(self, api: Api, namespace: str, room: str = "") -> None:
        self._api = api
        self._path = f"/api/v1/namespaces/{namespace}/configmaps"
        self._room = room

    def find(self, image: str, tag: str) -> Record | None:
        """Give what is written of IMAGE:TAG."""
        found = self._api.find(f"{self._path}/{NAME}") or {}
        return _read((found.get("data") or {}).get(key(image, tag)))

    def write(self, image: str, tag: str, record: Record) -> None:
        """Write down what was built; other images' records stay, also those that another run writes meanwhile."""
        data = {"data": {key(image, tag): json.dumps(asdict(record))}}
        if self._api.find(f"{self._path}/{NAME}") is None:
            made = labelled({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}}, self._room)
            try:
                self._api.create(self._path, {**made, **data})
                return
            except KubernetesError as error:
                if error.status != 409:
                    raise
        self._api.merge(f"{self._path}/{NAME}", data)


def key(image: str, tag: str) -> str:
    """Name an image as a ConfigMap's key can; no image's name holds two dots, and no tag begins with one.

    >>> key("istio-games-aleph", "0.1")
    'istio-games-aleph..0.1'
    """
    return f"{image.replace('/', '...')}..{tag}"


def _read(written: str | None) -> Record | None:
    """Read a record; what somebody else has written there is none."""
    try:
        data: Mapping[str, Any] = json.loads(written or "")
        return Record(str(data["digest"]), str(data["source"]))
    except (ValueError, TypeError, KeyError):
        return None
