# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Kubernetes API as plain JSON: what our plugins poll, with errors that say what to do.

The official client does the connection (kubeconfig, certificates, tokens) and `transport` what makes it reliable; the
client's typed models are left out, so that everything which judges an object is a function of plain dictionaries and
tested with them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from urllib3.exceptions import HTTPError

from ansible_collections.istio_games.workshop.plugins.plugin_utils import progress
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import kubeconfig as kubeconfigs
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.errors import (
    KubernetesError,
    MissingKindError,
    first_line,
    not_an_api_server,
    refusal,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import MANAGER
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.transport import (
    APPLY,
    PATIENCE_SECONDS,
    Patience,
    Transport,
)

__all__ = ("Api", "KubernetesError", "MissingKindError")


class Api:
    """A connection to one cluster."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.server: str = transport.target.server

    @property
    def client(self) -> Transport:
        """The official client, for what is more than JSON: websockets, custom resources' own dynamic client."""
        return self._transport

    @classmethod
    def connect(
        cls, kubeconfig: str, patience: float = PATIENCE_SECONDS, say: Callable[[str], None] = progress.say
    ) -> Api:
        """Read a kubeconfig; nothing is asked of the cluster yet.

        Args:
            patience: seconds for which a request is tried while the API server is silent, refuses connections or is
                overloaded.
            say: tells a person, every few seconds, that an answer is waited for.
        """
        configuration, target = kubeconfigs.load(kubeconfig)
        try:
            return cls(Transport(configuration, target, say, Patience(patience)))
        except (ImportError, HTTPError, ValueError) as error:  # of a kind that urllib3 does not speak
            raise KubernetesError(
                f"The proxy {target.proxy} cannot be used for the cluster at {target.server} ({first_line(error)}): "
                "name one that begins with http:// or https://."
            ) from error

    @contextmanager
    def until(self, deadline: float) -> Iterator[None]:
        """Try no request beyond a time (time.monotonic), for who waits for something with a deadline of its own."""
        with self._transport.until(deadline):
            yield

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """Read an object or a list."""
        return self._json("GET", path, query)

    def find(self, path: str) -> dict[str, Any] | None:
        """Read an object, or None when there is none."""
        try:
            return self.get(path)
        except KubernetesError as error:
            if error.status == 404:
                return None
            raise

    def items(self, path: str, **query: str) -> list[dict[str, Any]]:
        """Read the objects of a list."""
        return list(self.get(path, **query).get("items") or [])

    def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object."""
        return self._json("POST", path, {}, dict(body))

    def merge(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Change some fields of an object."""
        return self._json("PATCH", path, {}, dict(body), "application/merge-patch+json")

    def apply(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Apply a manifest on the server's side, as ours, and give the object that came of it."""
        query = {"fieldManager": MANAGER, "force": "true"}
        return self._json("PATCH", path, query, dict(body), APPLY)

    def replace(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Write an object anew, as a whole; refused where somebody else has written since its resourceVersion."""
        return self._json("PUT", path, {"fieldManager": MANAGER}, dict(body))

    def delete(self, path: str, grace_seconds: int | None = None) -> None:
        """Delete an object and what it owns; one that is gone already is fine."""
        query = {"propagationPolicy": "Background"}
        if grace_seconds is not None:
            query["gracePeriodSeconds"] = str(grace_seconds)
        try:
            self._json("DELETE", path, query)
        except KubernetesError as error:
            if error.status != 404:
                raise

    def text(self, path: str, **query: str) -> str:
        """Read plain text, such as a log."""
        return self._request("GET", path, query).decode("utf-8", "replace")

    def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: dict[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        answer = self._request(method, path, query, body, content_type)
        try:
            data = json.loads(answer)
        except ValueError as error:
            text = answer.decode("utf-8", "replace").strip()
            raise not_an_api_server(self._transport.target, f"{method} {path}", 200, text) from error
        return data if isinstance(data, dict) else {}

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: dict[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        request = self._transport.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params={"Accept": "application/json, */*", "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
        )
        answer = self._transport.call_api(*request)
        data: bytes = answer.data or b""
        if answer.status >= 400:
            raise refusal(self._transport.target, f"{method} {path}", answer.status, data)
        return data
