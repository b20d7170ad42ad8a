# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Kubernetes API as plain JSON: what our plugins poll, with errors that say what to do.

The official client does the connection (kubeconfig, certificates, tokens); its typed models are left out, so that
everything which judges an object is a function of plain dictionaries and tested with them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible import constants
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError
from yaml import YAMLError

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError

CONNECT_SECONDS = 5
READ_SECONDS = 30


class KubernetesError(WorkshopError):
    """The cluster cannot be asked, or refuses. The message is one sentence for people, with the remedy."""

    def __init__(self, message: str, status: int = 0, **result: Any) -> None:
        super().__init__(message, **result)
        self.status = status


class Api:
    """A connection to one cluster."""

    def __init__(self, api_client: client.ApiClient, kubeconfig: str) -> None:
        self._client = api_client
        self._kubeconfig = kubeconfig
        self.server: str = api_client.configuration.host

    @property
    def client(self) -> client.ApiClient:
        """The official client, for what is more than JSON: websockets, custom resources' own dynamic client."""
        return self._client

    @classmethod
    def connect(cls, kubeconfig: str) -> Api:
        """Read a kubeconfig; nothing is asked of the cluster yet."""
        path = Path(kubeconfig).expanduser()
        if not path.is_file():
            raise KubernetesError(
                f"There is no kubeconfig at {kubeconfig}: make the cluster first (ansible-playbook site.yml), or name "
                "an existing cluster's with -e workshop_kubeconfig=FILE."
            )
        try:
            configuration = client.Configuration()
            # The client writes certificates and keys to files, and a worker of Ansible's ends without removing its own:
            # into the directory that Ansible itself removes.
            config.load_kube_config(
                config_file=str(path),
                client_configuration=configuration,
                persist_config=False,
                temp_file_path=constants.DEFAULT_LOCAL_TMP,
            )
            return cls(client.ApiClient(configuration), kubeconfig)
        except (ConfigException, YAMLError, ValueError, TypeError, KeyError, OSError) as error:
            raise KubernetesError(f"The kubeconfig {kubeconfig} cannot be used: {_first_line(error)}") from error

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
        return str(self._request("GET", path, query).data.decode("utf-8", "replace"))

    def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: dict[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        data = json.loads(self._request(method, path, query, body, content_type).data)
        return data if isinstance(data, dict) else {}

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: dict[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> Any:
        headers = {"Accept": "application/json, */*", "Content-Type": content_type}
        request = self._client.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            response = self._client.call_api(*request, _request_timeout=(CONNECT_SECONDS, READ_SECONDS))
            response.read()
        except (ApiException, HTTPError, OSError) as error:
            raise KubernetesError(self._unreachable(error)) from error
        if response.status >= 400:
            raise KubernetesError(self._refusal(method, path, response.status, response.data or b""), response.status)
        return response

    def _unreachable(self, error: Exception) -> str:
        text = str(error)
        if "CERTIFICATE_VERIFY_FAILED" in text or "SSLError" in text:
            return (
                f"The cluster at {self.server} is not the one that {self._kubeconfig} trusts "
                f"({_first_line(error)[:200]}): take a fresh kubeconfig from it."
            )
        return (
            f"The cluster at {self.server} cannot be reached within {CONNECT_SECONDS} s: is it running? "
            "ansible-playbook playbooks/cluster.yml brings the workshop's own one up; another one is named with "
            "-e workshop_kubeconfig=FILE."
        )

    def _refusal(self, method: str, path: str, status: int, body: bytes) -> str:
        if status == 401:
            return (
                f"The cluster at {self.server} refuses the credentials in {self._kubeconfig}: they have expired or "
                "belong to another cluster; take a fresh kubeconfig from it."
            )
        try:
            message = json.loads(body).get("message")
        except (ValueError, AttributeError):
            message = body[:200].decode("utf-8", "replace")
        return f"The cluster refused {method} {path} ({status}): {message}"


def _first_line(error: object) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
