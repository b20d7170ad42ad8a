# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every namespaced object of a cluster, of whatever kind: found, named, and told from what is made by itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError

# What the cluster, a controller or istiod makes by itself in every namespace.
_MADE_BY_ITSELF_KINDS = {"Event", "Endpoints", "EndpointSlice", "Lease", "ControllerRevision", "PodMetrics"}
_MADE_BY_ITSELF = {
    ("ConfigMap", "kube-root-ca.crt"),
    ("ConfigMap", "istio-ca-root-cert"),
    ("ConfigMap", "istio-ca-crl"),
    ("ServiceAccount", "default"),
}

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Found:
    """An object, and where the API has it."""

    path: str
    kind: str
    item: Object

    def __str__(self) -> str:
        metadata = self.item["metadata"]
        return f"{self.kind} {'/'.join(filter(None, (metadata.get('namespace'), metadata['name'])))}"


@dataclass(frozen=True)
class Kind:
    """A kind of namespaced objects that can be listed and deleted."""

    group: str
    version: str
    plural: str
    kind: str

    def objects(self, api: Api, namespace: str = "") -> Iterator[Found]:
        base = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        listed = f"{base}/namespaces/{namespace}/{self.plural}" if namespace else f"{base}/{self.plural}"
        for item in api.items(listed):
            metadata = item["metadata"]
            yield Found(f"{base}/namespaces/{metadata['namespace']}/{self.plural}/{metadata['name']}", self.kind, item)


def kinds(api: Api) -> Iterator[Kind]:
    """Give every kind of namespaced objects, once each."""
    groups = [("", "v1")]
    for each in api.get("/apis").get("groups") or []:
        # Some kinds are in an older version of their group alone.
        versions = [each["preferredVersion"], *(each.get("versions") or [])]
        groups += dict.fromkeys((each["name"], version["version"]) for version in versions)
    seen = set()
    for group, version in groups:
        try:
            resources = api.get(f"/apis/{group}/{version}" if group else f"/api/{version}").get("resources") or []
        except KubernetesError as error:
            if error.status in {404, 503}:  # an API of somebody's whose server is gone
                continue
            raise
        for resource in resources:
            name = (group, resource["name"])
            if (
                resource.get("namespaced")
                and {"list", "delete"} <= set(resource.get("verbs") or [])
                and name not in seen
            ):
                seen.add(name)
                yield Kind(group, version, resource["name"], resource["kind"])


def is_made_by_itself(found: Found, by_people: Collection[str] = ()) -> bool:
    """Tell whether the cluster or a controller has made an object, and takes it away with what it belongs to.

    Args:
        by_people: kinds that people make, who may write any owner into them.
    """
    metadata = found.item["metadata"]
    return bool(
        (metadata.get("ownerReferences") and found.kind not in by_people)
        or found.kind in _MADE_BY_ITSELF_KINDS
        or (found.kind, metadata["name"]) in _MADE_BY_ITSELF
        or found.item.get("type") == "kubernetes.io/service-account-token"
    )
