# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The API of the cluster for the room's own programs that run in it (roles/student/files).

They are given this very file, and have nothing but Python: so it imports nothing else.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import MANAGER

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
REQUEST_SECONDS, PATIENCE_SECONDS = 30, 60
# An API server that is busy, or begins anew; 409: somebody else wrote at the same time.
CONFLICT, FOR_A_MOMENT = 409, {408, 409, 429, 500, 502, 503, 504}


class RefusedError(Exception):
    """What the API server has answered instead of what was asked for."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(f"the API server answers {code}: {said}")
        self.code = code


class Cluster:
    """The API of the cluster that this runs in.

    Args:
        patience: seconds that what is refused for a moment is asked again.
    """

    def __init__(self, sleep: Callable[[float], None] = time.sleep, patience: int = PATIENCE_SECONDS) -> None:
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
        self._server = f"https://{f'[{host}]' if ':' in host else host}:{port}"
        self._patience = patience
        self._sleep = sleep
        context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
        self._opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """Read an object or a list."""
        return self._json("GET", path, query)

    def items(self, path: str, **query: str) -> list[dict[str, Any]]:
        """Read the objects of a list."""
        return list(self.get(path, **query).get("items") or [])

    def merge(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Change some fields of an object."""
        return self._json("PATCH", path, {}, body, "application/merge-patch+json")

    def merge_containers(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Change some fields of an object, and of some items of lists that have names."""
        return self._json("PATCH", path, {}, body, "application/strategic-merge-patch+json")

    def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make an object."""
        return self._json("POST", path, {}, body, "application/json")

    def apply(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Apply a manifest on the server's side."""
        query = {"fieldManager": MANAGER, "force": "true"}
        return self._json("PATCH", path, query, body, "application/apply-patch+yaml")

    def delete(self, path: str, grace_seconds: int | None = None) -> None:
        """Delete an object; one that is gone already is fine."""
        query = {} if grace_seconds is None else {"gracePeriodSeconds": str(grace_seconds)}
        try:
            self._json("DELETE", path, query)
        except RefusedError as error:
            if error.code != 404:
                raise

    def _json(
        self, method: str, path: str, query: Mapping[str, str], body: Any = None, content: str = ""
    ) -> dict[str, Any]:
        """Ask until there is an answer; once that took too long, each further request is asked once."""
        whole = f"{self._server}{path}{f'?{urllib.parse.urlencode(query)}' if query else ''}"
        data = json.dumps(body).encode() if body is not None else None
        only_this = "resourceVersion" in ((body or {}).get("metadata") or {})
        for second in range(self._patience + 1):
            # The token is replaced now and then.
            headers = {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}", "Content-Type": content}
            request = urllib.request.Request(whole, data, headers, method=method)
            error: Exception
            try:
                with self._opener.open(request, timeout=REQUEST_SECONDS) as answer:
                    found: dict[str, Any] = json.load(answer)
                return found
            except urllib.error.HTTPError as refused:
                error = RefusedError(refused.code, refused.read().decode(errors="replace"))
                if refused.code not in FOR_A_MOMENT or (refused.code == CONFLICT and only_this):
                    raise error from refused
            # Network policies of a new pod take a moment; an answer may be cut.
            except (OSError, ValueError, http.client.HTTPException) as failed:
                error = failed
            if second < self._patience:
                if second == 0:
                    print(f"{method} {path}: {error}: tried again for {self._patience} s", flush=True)
                self._sleep(1)
        self._patience = 0
        raise error
