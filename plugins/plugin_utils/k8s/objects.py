# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""VirtualServices and DestinationRules: read, compared and written through the dynamic client."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible import constants
from kubernetes.dynamic.exceptions import DynamicApiError, ResourceNotFoundError
from openshift.dynamic import DynamicClient

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import MANAGER, PREFIX, other_writers

# istiod judges each object when it is written; while it restarts, nobody does.
WEBHOOK_SECONDS = 60.0
# The routing objects' API.
API_VERSION = "networking.istio.io/v1"
NO_MESH = "There is no mesh in this cluster: install it first with ansible-playbook playbooks/mesh.yml."


class Objects:
    """The routing objects of a cluster."""

    def __init__(
        self, api: Api, say: Callable[[str], None] = print, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        try:
            # Its own cache in /tmp outlives a cluster, and is not asked again when another one has the same address.
            self._client = DynamicClient(api.client, cache_file=f"{constants.DEFAULT_LOCAL_TMP}/resources.json")
        except DynamicApiError as error:
            raise _explained(error, "asking for its resources") from error
        self._say = say
        self._sleep = sleep

    def list(self, kind: str) -> list[dict[str, Any]]:
        """Read all objects of a kind, in every namespace."""
        resource = self._resource(kind)
        try:
            return [dict(item) for item in resource.get().to_dict().get("items") or []]
        except DynamicApiError as error:
            if error.status == 404:  # the definition is gone
                raise KubernetesError(NO_MESH) from None
            raise _explained(error, f"reading every {kind}") from error

    def write(self, wanted: Mapping[str, Any], live: Mapping[str, Any] | None, dry_run: bool) -> None:
        """Make an object as it is wanted: one write, refused when somebody else has written since `live` was read.

        It replaces the object. A server-side apply would leave in place what another writer has added beside our
        fields, and a route is only right as a whole.
        """
        resource = self._resource(wanted["kind"])
        options = {"field_manager": MANAGER, **({"dry_run": "All"} if dry_run else {})}
        body = merged(wanted, live)
        waited = 0.0
        while True:
            try:
                (resource.replace if live else resource.create)(body=body, **options)
                return
            except DynamicApiError as error:
                if "failed calling webhook" not in str(error.body) or waited >= WEBHOOK_SECONDS:
                    raise _explained(error, f"writing {label(wanted)}") from error
            if not waited:
                self._say(f"{label(wanted)}: waiting for istiod, which must judge it first")
            self._sleep(1)
            waited += 1

    def delete(self, item: Mapping[str, Any], dry_run: bool) -> None:
        """Delete an object; one that is gone already is fine."""
        options = {"dry_run": "All"} if dry_run else {}
        metadata = item["metadata"]
        try:
            self._resource(item["kind"]).delete(name=metadata["name"], namespace=metadata["namespace"], **options)
        except DynamicApiError as error:
            if error.status != 404:
                raise _explained(error, f"deleting {label(item)}") from error

    def apply(self, manifest: Mapping[str, Any], dry_run: bool) -> dict[str, Any]:
        """Apply a manifest of any kind on the server's side, as ours, and give the object that came of it.

        Fields that others own and that the manifest names become ours; those that it doesn't name stay as they are.

        Args:
            dry_run: have the API server check and complete it, and keep nothing.
        """
        options = {"field_manager": MANAGER, "force_conflicts": True, **({"dry_run": "All"} if dry_run else {})}
        resource = self._resource(manifest["kind"], manifest["apiVersion"])
        try:
            return dict(resource.server_side_apply(body=dict(manifest), **options).to_dict())
        except DynamicApiError as error:
            raise _explained(error, f"applying {label(manifest)}") from error

    def _resource(self, kind: str, api_version: str = API_VERSION) -> Any:
        try:
            # Said for the core group alone: of a version without a group, every group would be asked.
            prefix = {} if "/" in api_version else {"prefix": "api"}
            return self._client.resources.get(api_version=api_version, kind=kind, **prefix)
        except ResourceNotFoundError:
            if api_version == API_VERSION:
                raise KubernetesError(NO_MESH) from None
            raise KubernetesError(f"The cluster knows no kind {kind} of {api_version}.", 404) from None
        except DynamicApiError as error:
            raise _explained(error, "asking for its resources") from error


def label(item: Mapping[str, Any]) -> str:
    """Name an object for people."""
    metadata = item["metadata"]
    return f"{item['kind']} {'/'.join(filter(None, (metadata.get('namespace'), metadata['name'])))}"


def named(items: Iterable[Mapping[str, Any]], namespace: str, name: str) -> Mapping[str, Any] | None:
    """Find an object among those of one kind."""
    return next(
        (item for item in items if (item["metadata"]["namespace"], item["metadata"]["name"]) == (namespace, name)), None
    )


def find(items: Iterable[Mapping[str, Any]], wanted: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Find the live object of the same kind, namespace and name."""
    return next((item for item in items if label(item) == label(wanted)), None)


def is_as_wanted(wanted: Mapping[str, Any], live: Mapping[str, Any] | None) -> bool:
    """Tell whether a live object is ours alone and what it would become by writing it."""
    if live is None or other_writers(live):
        return False
    written = merged(wanted, live)
    return written["spec"] == live.get("spec") and all(
        written["metadata"][part] == (live["metadata"].get(part) or {}) for part in ("labels", "annotations")
    )


def merged(wanted: Mapping[str, Any], live: Mapping[str, Any] | None) -> dict[str, Any]:
    """Give the object to write: the wanted content, others' labels and annotations, the version that was read."""
    if live is None:
        return dict(wanted)
    metadata = {
        **wanted["metadata"],
        "resourceVersion": live["metadata"]["resourceVersion"],
        "managedFields": _taken_over(live),
        "labels": {**(live["metadata"].get("labels") or {}), **wanted["metadata"].get("labels", {})},
        # An annotation of ours that is wanted no more goes.
        "annotations": {
            **{
                key: value
                for key, value in (live["metadata"].get("annotations") or {}).items()
                if not key.startswith(PREFIX)
            },
            **wanted["metadata"].get("annotations", {}),
        },
    }
    return {**wanted, "metadata": metadata}


def _taken_over(item: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give an object's field managers with us in the place of everybody else who wrote its spec."""
    others = other_writers(item)
    entries = {}
    for entry in item["metadata"].get("managedFields") or []:
        renamed = {**entry, "manager": MANAGER} if entry.get("manager") in others else dict(entry)
        entries[renamed.get("manager"), renamed.get("operation"), renamed.get("subresource")] = renamed
    return list(entries.values())


def last_written(item: Mapping[str, Any]) -> str | None:
    """Tell when an object was last written (RFC 3339), by anybody."""
    times = [
        str(entry["time"])
        for entry in item["metadata"].get("managedFields") or []
        if entry.get("time") and not entry.get("subresource")
    ]
    return max(times, default=None)


def _explained(error: DynamicApiError, doing: str) -> KubernetesError:
    if error.status == 409:
        return KubernetesError(
            f"Somebody else changed the object while {doing}: run the same command again.", error.status
        )
    summary = error.summary() if error.body else str(error.reason)
    return KubernetesError(f"The cluster refused {doing}: {' '.join(str(summary).split())}", error.status or 0)
