# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a registry holds, asked over its HTTP API (distribution specification)."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
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
# What is read of an answer that is no blob: distribution's own limit for a manifest.
MOST_BYTES = 4 << 20
# What its pod takes to come back, when something restarts it.
RESTART_SECONDS = 30.0
# Registries answer with at most this many names unless asked for fewer.
PAGE = 1000


class RegistryError(WorkshopError):
    """The registry cannot be asked. The message is one sentence for people."""


class UnansweredError(RegistryError):
    """Nobody answers, or not yet."""


class FailingError(RegistryError):
    """The registry answers that it fails (500)."""


@dataclass(frozen=True)
class Answer:
    """A registry's answer that is no failure; `found` tells 200 from 404, `size` is the body's in bytes."""

    url: str
    found: bool
    digest: str = ""
    body: bytes = b""
    size: int = 0

    def json(self) -> dict[str, Any]:
        """Give the body as JSON; raise RegistryError for anything else, such as another program's page."""
        try:
            data = json.loads(self.body or b"{}")
        except (ValueError, RecursionError) as error:
            raise RegistryError(
                f"What answers at {self.url} is no registry: it sent {self.body[:60]!r}. Does another program listen "
                "at that port?"
            ) from error
        return data if isinstance(data, dict) else {}


@dataclass(frozen=True)
class Damage:
    """What is wrong with an image in a registry.

    Attributes:
        sentence: for people, without a full stop.
        broken: something is there that is not what it should be, and must go before it is pushed again; else it is
            merely missing.
    """

    sentence: str
    broken: bool = False


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
        # Blobs that were read and are whole: images share layers.
        self._whole: set[str] = set()
        # No proxy: the registry is a node of ours.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def catalog(self) -> list[str]:
        """Name the repositories, sorted."""
        return sorted(self._get(f"/v2/_catalog?n={PAGE}").json().get("repositories") or [])

    def tags(self, name: str) -> list[str]:
        """Name a repository's tags, sorted; none when there is no such repository."""
        return sorted(self._get(f"/v2/{name}/tags/list?n={PAGE}").json().get("tags") or [])

    def digest(self, name: str, reference: str) -> str | None:
        """Give the digest of a manifest by its tag or digest, or None when there is none."""
        answer = self._get(f"/v2/{name}/manifests/{reference}", method="HEAD")
        return answer.digest if answer.found else None

    def damages(self) -> dict[str, Damage]:
        """Read everything, and give what is wrong by NAME:TAG."""
        references = [(name, tag) for name in self.catalog() for tag in self.tags(name)]
        return {f"{name}:{tag}": found for name, tag in references if (found := self.damage(name, tag))}

    def damage(self, name: str, reference: str, digest: str = "") -> Damage | None:
        """Read an image with everything that belongs to it, and give the first thing that is wrong.

        Args:
            reference: its tag, or a digest.
            digest: what it must be; empty: whatever the reference names.
        """
        try:
            answer = self._get(f"/v2/{name}/manifests/{reference}")
        except FailingError as error:
            return Damage(f"its manifest cannot be read ({error})".replace(".)", ")"), broken=True)
        if not answer.found:
            return Damage("there is no such tag" if ":" not in reference else f"its manifest {reference} is missing")
        if _sha256(answer.body) != answer.digest:
            return Damage(f"its manifest {answer.digest} is broken", broken=True)
        if digest and answer.digest != digest:
            return Damage(f"its tag names {answer.digest}, and {digest} was pushed")
        try:
            platforms, blobs = _parts(answer.json())
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            return Damage(f"its manifest {answer.digest} is none of an image")
        for platform in platforms:
            if found := self.damage(name, platform):
                return found
        return next((found for blob, size in blobs if (found := self._blob_damage(name, blob, size))), None)

    def _blob_damage(self, name: str, digest: str, size: int) -> Damage | None:
        path = f"/v2/{name}/blobs/{digest}"
        there = self._get(path, method="HEAD")
        if not there.found:
            return Damage(f"its blob {digest} is missing")
        if there.size != size:
            return Damage(f"its blob {digest} has {there.size} of {size} bytes", broken=True)
        if digest not in self._whole and _sha256(self._get(path, most=size).body) != digest:
            return Damage(f"its blob {digest} is broken", broken=True)
        self._whole.add(digest)
        return None

    def wait(self, seconds: float) -> None:
        """Return when the registry answers; raise RegistryError when it does not within `seconds`."""
        Registry(self.url, seconds, self._sleep)._get("/v2/_catalog?n=1")

    def _get(self, path: str, method: str = "GET", most: int = MOST_BYTES) -> Answer:
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return self._ask(path, method, most)
            except UnansweredError:
                if time.monotonic() >= deadline:
                    raise
            self._sleep(0.5)

    def _ask(self, path: str, method: str, most: int) -> Answer:
        """Ask once; of a body with more bytes than `most`, one more than these is read, which is not the whole."""
        request = urllib.request.Request(self.url + path, headers={"Accept": ACCEPT}, method=method)
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as response:
                size = int(response.headers.get("Content-Length") or 0)
                body = response.read(most + 1)
                if len(body) <= most and response.length and method != "HEAD":
                    raise http.client.IncompleteRead(body, response.length)
                return Answer(self.url, True, response.headers.get("Docker-Content-Digest", ""), body, size)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return Answer(self.url, False)
            raise _ERRORS.get(error.code, RegistryError)(
                f"The registry at {self.url} answers {error.code} to {method} {path}."
            ) from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            tried = f"; asked for {self._patience:g} s" if self._patience else ""
            raise UnansweredError(f"The registry at {self.url} cannot be reached ({reason}{tried}).") from error


_ERRORS = {500: FailingError, 502: UnansweredError, 503: UnansweredError, 504: UnansweredError}


def _sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _parts(manifest: Mapping[str, Any]) -> tuple[list[str], list[tuple[str, int]]]:
    """Give what an image's manifest says is stored: manifests of platforms, and blobs with their bytes."""
    blobs = [manifest.get("config"), *(manifest.get("layers") or [])]
    return (
        [_digest(platform) for platform in manifest.get("manifests") or []],
        # A layer with URLs of its own is stored elsewhere.
        [(_digest(blob), int(blob["size"])) for blob in blobs if blob and not blob.get("urls")],
    )


def _digest(part: Mapping[str, Any]) -> str:
    """Give a part's digest, which is sent as a part of a URL; raise ValueError for something else."""
    if not re.fullmatch(r"[a-z0-9]+:[0-9a-f]{32,}", part["digest"]):
        raise ValueError("no digest")
    return str(part["digest"])
