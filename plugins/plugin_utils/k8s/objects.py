# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Objects of any kind, read, compared and written through the dynamic client."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from ansible import constants
from kubernetes.dynamic.exceptions import DynamicApiError, ResourceNotFoundError
from openshift.dynamic import DynamicClient

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import (
    Api,
    KubernetesError,
    MissingKindError,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.appliance import once_judged
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.errors import refusal
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import MANAGER, PREFIX, other_writers
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.waiting import Waiting

Result = TypeVar("Result")

# The routing objects' API.
API_VERSION = "networking.istio.io/v1"
NO_MESH = "There is no mesh in this cluster: install it first with ansible-playbook playbooks/mesh.yml."
# What a missing kind means, by its group, for the groups that this project installs.
_MISSING = {"networking.istio.io": NO_MESH}


class Objects:
    """The objects of a cluster, by apiVersion and kind.

    Every method raises KubernetesError, and MissingKindError for a kind that the cluster does not serve.
    """

    def __init__(
        self,
        api: Api,
        say: Callable[[str], None] = print,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        with self._doing("asking for its kinds"), self._speaks_kubernetes():
            # Its own cache in /tmp outlives a cluster, and is not asked again when another one has the same address.
            self._client = DynamicClient(api.client, cache_file=f"{constants.DEFAULT_LOCAL_TMP}/resources.json")
        self._waiting = Waiting(api, say, sleep, clock)

    def list(self, kind: str, api_version: str = API_VERSION, namespace: str | None = None) -> list[dict[str, Any]]:
        """Read all objects of a kind, in one namespace or in every one."""
        resource = self._resource(kind, api_version)
        try:
            with self._doing(f"reading every {kind}"):
                return [dict(item) for item in resource.get(namespace=namespace).to_dict().get("items") or []]
        except KubernetesError as error:
            if error.status == 404:  # its definition is gone since the kinds were asked for
                raise self._missing(kind, api_version) from None
            raise

    def write(self, wanted: Mapping[str, Any], live: Mapping[str, Any] | None, dry_run: bool) -> None:
        """Make an object as it is wanted: one write, refused when somebody else has written since `live` was read.

        It replaces the object. A server-side apply would leave in place what another writer has added beside our
        fields, and a route is only right as a whole.
        """
        resource = self._resource(wanted["kind"], wanted["apiVersion"])
        options = {"field_manager": MANAGER, **({"dry_run": "All"} if dry_run else {})}
        body = merged(wanted, live)
        unanswered = False

        def write() -> None:
            nonlocal unanswered
            if unanswered and not dry_run and is_as_wanted(wanted, self._find(resource, wanted)):
                return
            try:
                (resource.replace if live else resource.create)(body=body, **options)
            except KubernetesError:
                unanswered = True
                raise

        self._patiently(f"writing {label(wanted)}", write)

    def apply(self, manifest: Mapping[str, Any], dry_run: bool) -> dict[str, Any]:
        """Apply a manifest on the server's side, as ours, and give the object that came of it.

        Fields that others own and that the manifest names become ours; those that it doesn't name stay as they are.

        Args:
            dry_run: have the API server check and complete it, and keep nothing.
        """
        options = {"field_manager": MANAGER, "force_conflicts": True, **({"dry_run": "All"} if dry_run else {})}
        resource = self._resource(manifest["kind"], manifest["apiVersion"])
        return self._patiently(
            f"applying {label(manifest)}",
            lambda: dict(resource.server_side_apply(body=dict(manifest), **options).to_dict()),
        )

    def merge(self, item: Mapping[str, Any], changes: Mapping[str, Any], dry_run: bool) -> dict[str, Any]:
        """Change some fields of an object, such as annotations, and give what came of it; None removes a field.

        Refused when somebody else has written since `item` was read, if it bears its resourceVersion.
        """
        metadata = item["metadata"]
        version = {"resourceVersion": metadata["resourceVersion"]} if "resourceVersion" in metadata else {}
        body = {**changes, "metadata": {**changes.get("metadata", {}), **version}}
        options = {"field_manager": MANAGER, **({"dry_run": "All"} if dry_run else {})}
        resource = self._resource(item["kind"], item["apiVersion"])
        with self._doing(f"changing {label(item)}"):
            changed = resource.patch(
                body=body,
                name=metadata["name"],
                namespace=metadata.get("namespace"),
                content_type="application/merge-patch+json",
                **options,
            )
            return dict(changed.to_dict())

    def delete(self, item: Mapping[str, Any], dry_run: bool) -> None:
        """Delete an object; one that is gone already is fine."""
        options = {"dry_run": "All"} if dry_run else {}
        metadata = item["metadata"]
        resource = self._resource(item["kind"], item["apiVersion"])
        try:
            self._patiently(
                f"deleting {label(item)}",
                lambda: resource.delete(name=metadata["name"], namespace=metadata.get("namespace"), **options),
            )
        except KubernetesError as error:
            if error.status != 404:
                raise

    def _find(self, resource: Any, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
        metadata = wanted["metadata"]
        try:
            with self._doing(f"reading {label(wanted)}"):
                return dict(resource.get(name=metadata["name"], namespace=metadata.get("namespace")).to_dict())
        except KubernetesError as error:
            if error.status == 404:
                return None
            raise

    def _patiently(self, doing: str, act: Callable[[], Result]) -> Result:
        """Do what may be done twice, until a webhook that is restarting, or a silent API server, lets it be done."""

        def said() -> Result:
            with self._doing(doing):
                return act()

        return once_judged(self._waiting, doing, said)

    def _resource(self, kind: str, api_version: str) -> Any:
        # Said for the core group alone: of a version without a group, every group would be asked.
        prefix = {} if "/" in api_version else {"prefix": "api"}
        with self._doing("asking for its kinds"), self._speaks_kubernetes():
            try:
                return self._client.resources.get(api_version=api_version, kind=kind, **prefix)
            except ResourceNotFoundError:
                raise self._missing(kind, api_version) from None

    def _missing(self, kind: str, api_version: str) -> KubernetesError:
        """Say what a missing kind means: its group is not installed, or in another version."""
        group = api_version.rpartition("/")[0]
        found = self._api.find(f"/apis/{group}") if group else None
        served = [str(version["version"]) for version in (found or {}).get("versions") or []]
        if served and api_version.rpartition("/")[2] not in served:
            return KubernetesError(
                f"The cluster serves {group} in {', '.join(served)}, not in {api_version.rpartition('/')[2]}: what "
                f"brings {kind} is too old, or too new, for this project."
            )
        return MissingKindError(_MISSING.get(group, f"The cluster knows no kind {kind} of {api_version}."), 404)

    @contextmanager
    def _doing(self, what: str) -> Iterator[None]:
        """Say of a refusal what was refused, in our words."""
        try:
            yield
        except DynamicApiError as error:
            status = error.status or 0
            refused = refusal(self._api.client.target, what, status, error.body or b"")
            if status == 409:
                sentence = f"Somebody else changed the object while {what}: run the same command again."
                refused = KubernetesError(sentence, status, said=refused.said)
            raise refused from error

    @contextmanager
    def _speaks_kubernetes(self) -> Iterator[None]:
        """The dynamic client takes for granted that a list of kinds is one."""
        try:
            yield
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise KubernetesError(
                f"What answers at {self._api.server} is no Kubernetes API server: it does not list its kinds."
            ) from error


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
