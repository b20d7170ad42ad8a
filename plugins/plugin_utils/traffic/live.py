# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is there: a service's routing objects and Deployments, and what they say of its versions and its stage."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.deployments import progress
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import Objects, find
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import (
    PREFIX,
    is_managed,
    other_writers,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.app_services import version_label
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.records import Record, read_past, read_record
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import (
    SUBSETS,
    built_tags,
    goal_of,
    is_ours,
    subsets_spec,
    virtual_service,
)

Item = Mapping[str, Any]


@dataclass(frozen=True)
class Live:
    """What there is: all VirtualServices and DestinationRules, and the application's Deployments."""

    virtual_services: Sequence[Item]
    destination_rules: Sequence[Item]
    deployments: Sequence[Item]
    # What proxies may know of, in all namespaces.
    sidecars: Sequence[Item] = ()

    @classmethod
    def read(cls, api: Api, objects: Objects, namespace: str) -> Live:
        """Read it from the cluster."""
        return cls(
            objects.list("VirtualService"),
            objects.list("DestinationRule"),
            api.items(f"/apis/apps/v1/namespaces/{namespace}/deployments"),
            objects.list("Sidecar"),
        )


@dataclass(frozen=True)
class Version:
    """A version of a service, and the Deployment that runs it."""

    service: str
    tag: str

    @property
    def subset(self) -> str:
        """Its label, and its subset's name."""
        return version_label(self.tag)

    @property
    def deployment(self) -> str:
        """Its Deployment's name."""
        return f"{self.service}-{self.subset}"


def service_record(data: Item, namespace: str, live: Live) -> Record:
    """Tell where a service stands: by its VirtualService, else its DestinationRule, else by what runs."""
    name, stable = str(data["name"]), str(data["versions"][0])
    own = {"namespace": namespace, "name": name}
    routed = find(live.virtual_services, {"kind": "VirtualService", "metadata": own})
    record = read_record(routed) if routed and is_ours(routed) else None
    if record:
        return record
    past = read_past(find(live.destination_rules, {"kind": "DestinationRule", "metadata": own}), built_tags(data))
    if past:
        return past
    running = [tag for tag, item in deployed_tags(name, live.deployments, built_tags(data)).items() if answers(item)]
    return Record("baseline", running[0] if len(running) == 1 else stable)


def answers(deployment: Item) -> bool:
    """Tell whether a version runs: all of its pods are the newest, and there is one that is ready. None is not."""
    available = (deployment.get("status") or {}).get("availableReplicas") or 0
    return available > 0 and progress(deployment).done


def deployed_tags(service: str, deployments: Sequence[Item], known: Collection[str] = ()) -> dict[str, Item]:
    """Give the Deployments of a service's versions, by tag.

    A Deployment's name says which version it is, the tag in its pods' image does not: somebody may have changed that.

    Args:
        known: the tags that may be meant; without them a Deployment's own record of its tag counts, or its image's tag.
    """
    result = {}
    for deployment in deployments:
        metadata = deployment["metadata"]
        noted = (metadata.get("annotations") or {}).get(PREFIX + "version")
        image = str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])
        candidates = [noted, *known, image.split("@")[0].rpartition(":")[2]]
        tag = {Version(service, str(tag)).deployment: str(tag) for tag in candidates if tag}.get(metadata["name"])
        if tag and (is_managed(deployment) or tag in known):
            result[tag] = deployment
    return result


def is_same(wanted: Item, live: Item) -> bool:
    """Tell whether a live object says what is wanted, whoever wrote it last; what others noted on it may stay."""
    labels, annotations = (live["metadata"].get(part) or {} for part in ("labels", "annotations"))
    record = {key: value for key, value in annotations.items() if key.startswith(PREFIX)}
    notes = wanted["metadata"].get("annotations") or {}
    return bool(
        wanted["spec"] == live.get("spec")
        and (wanted["metadata"].get("labels") or {}).items() <= labels.items()
        and record == {key: value for key, value in notes.items() if key.startswith(PREFIX)}
    )


def is_edited(item: Item) -> bool:
    """Tell whether somebody else has made an object what it is: a change that was undone is none."""
    if not is_ours(item):
        return True
    if not other_writers(item):
        return False
    name, namespace = str(item["metadata"]["name"]), str(item["metadata"]["namespace"])
    if item["kind"] == "VirtualService":
        record = read_record(item)
        return record is None or virtual_service(goal_of(record, name, namespace))["spec"] != item.get("spec")
    left = (item["metadata"].get("annotations") or {}).get(SUBSETS)
    return left is None or subsets_spec(name, str(left).split(",")) != item.get("spec")
