# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a registry holds, asked over its HTTP API (distribution specification)."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError

ACCEPT = ", ".join(
    [
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    ]
)
TIMEOUT_SECONDS = 10
# What its pod takes to come back, when something restarts it.
RESTART_SECONDS = 30.0
# Registries answer with at most this many names unless asked for fewer.
PAGE = 1000


class RegistryError(WorkshopError):
    """The registry cannot be asked. The message is one sentence for people."""


class UnansweredError(RegistryError):
    """Nobody answers, or not yet."""


@dataclass(frozen=True)
class Answer:
    """A registry's answer that is no failure; `found` tells 200 from 404."""

    url: str
    found: bool
    digest: str
    body: bytes

    def json(self) -> dict[str, Any]:
        """Give the body as JSON; raise RegistryError for anything else, such as another program's page."""
        try:
            data = json.loads(self.body or b"{}")
        except ValueError as error:
            raise RegistryError(
                f"What answers at {self.url} is no registry: it sent {self.body[:60]!r}. Does another program listen "
                "at that port?"
            ) from error
        return data if isinstance(data, dict) else {}


class Registry:
    """A registry at `http://HOST:PORT`."""

    def __init__(self, url: str, patience: float = 0.0, sleep: Callable[[float], None] = time.sleep) -> None:
        """Ask nothing yet.

        Args:
            patience: seconds for which each question is asked again while nobody answers, as while its pod restarts.
        """
        self.url = url.rstrip("/")
        self._patience = patience
        self._sleep = sleep
        # No proxy: the registry is a node of ours.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def catalog(self) -> list[str]:
        """Name the repositories, sorted."""
        return sorted(self._get(f"/v2/_catalog?n={PAGE}").json().get("repositories") or [])

    def tags(self, name: str) -> list[str]:
        """Name a repository's tags, sorted; none when there is no such repository."""
        return sorted(self._get(f"/v2/{name}/tags/list?n={PAGE}").json().get("tags") or [])

    def digest(self, name: str, tag: str) -> str | None:
        """Give the digest of NAME:TAG's manifest, or None when there is no such tag."""
        answer = self._get(f"/v2/{name}/manifests/{tag}", method="HEAD")
        return answer.digest if answer.found else None

    def labels(self, name: str, tag: str) -> dict[str, str] | None:
        """Give the labels of NAME:TAG, or None when there is no such tag."""
        manifest = self._get(f"/v2/{name}/manifests/{tag}")
        if not manifest.found:
            return None
        blob = (manifest.json().get("config") or {}).get("digest")
        if not blob:  # an index of several platforms: not built by us
            return {}
        return ((self._get(f"/v2/{name}/blobs/{blob}").json().get("config") or {}).get("Labels")) or {}

    def wait(self, seconds: float) -> None:
        """Return when the registry answers; raise RegistryError when it does not within `seconds`."""
        Registry(self.url, seconds, self._sleep)._get("/v2/")

    def _get(self, path: str, method: str = "GET") -> Answer:
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return self._ask(path, method)
            except UnansweredError:
                if time.monotonic() >= deadline:
                    raise
            self._sleep(0.5)

    def _ask(self, path: str, method: str) -> Answer:
        request = urllib.request.Request(self.url + path, headers={"Accept": ACCEPT}, method=method)
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as response:
                return Answer(self.url, True, response.headers.get("Docker-Content-Digest", ""), response.read())
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return Answer(self.url, False, "", b"")
            kind = UnansweredError if error.code in (502, 503, 504) else RegistryError
            raise kind(f"The registry at {self.url} answers {error.code} to {method} {path}.") from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            tried = f"; asked for {self._patience:g} s" if self._patience else ""
            raise UnansweredError(f"The registry at {self.url} cannot be reached ({reason}{tried}).") from error


class MissingImageError(WorkshopError):
    """An image is not in the registry. The message says which tags are."""


def digests(registry: Registry, references: Sequence[str]) -> dict[str, str]:
    """Give each NAME:TAG's digest; raise MissingImageError for the first that does not exist."""
    found = {}
    for reference in references:
        name, _, tag = reference.rpartition(":")
        digest = registry.digest(name, tag)
        if not digest:
            tags = registry.tags(name)
            there = f"it has {name} with the tags {', '.join(tags)}" if tags else f"it has no {name} at all"
            raise MissingImageError(
                f"{reference} is not in the registry at {registry.url}: {there}. Build it (ansible-playbook "
                "playbooks/build.yml), or name a tag that exists in workshop_apps or with -e app_versions."
            )
        found[reference] = digest
    return found
