# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of a cluster goes with a room that only was a guest in it: what bears our label and the room's name, no more.

First it is all looked at and written down as a plan, which is told; only then something is removed. A namespace of
ours in which somebody else has put something stays, with that in it. Istio goes when the room installed it and nobody
else uses it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import silent_nodes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.contents import (
    Found,
    Kind,
    is_made_by_itself,
    kinds,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.mesh import REVISION, Mesh
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.mesh_install import Istioctl
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.namespaces import gone
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import ROOM, is_managed, is_ours, owner
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.pods import has_proxy
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.waiting import Look, Waiting

_ISTIODS_OWN = {"ConfigMap": "istio-", "Secret": "istio-ca-secret"}
_BY_ISTIOCTL = "operator.istio.io/managed"
_ISTIO_GROUP = ".istio.io"
# `istioctl uninstall` leaves some of these, such as the default tag's webhooks.
_OF_DEFAULT_REVISION = f"{_BY_ISTIOCTL},{REVISION}=default"
# What istiod writes into every namespace: its certificate.
_TO_EVERY_NAMESPACE = "istio.io/config=true"
_LEFT_BY_ISTIOCTL = (
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles",
)

# What a class has for the whole cluster. What binds something goes before it.
_CLUSTER_WIDE = {
    "ValidatingAdmissionPolicyBinding": "admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
    "ValidatingAdmissionPolicy": "admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "ClusterRoleBinding": "rbac.authorization.k8s.io/v1/clusterrolebindings",
    "ClusterRole": "rbac.authorization.k8s.io/v1/clusterroles",
}

Object = Mapping[str, Any]


@dataclass
class Plan:
    """What goes, and what stays although a room's end might take it, one sentence each.

    Attributes:
        namespaces: those that go with all that is in them.
        objects: those of ours in a namespace that stays.
        mesh: whether Istio goes.
        definitions: the CustomResourceDefinitions that go with it.
        stays: sentences.
    """

    namespaces: list[str] = field(default_factory=list)
    objects: list[Found] = field(default_factory=list)
    mesh: bool = False
    definitions: list[str] = field(default_factory=list)
    stays: list[str] = field(default_factory=list)

    def removals(self) -> list[str]:
        """Name everything that goes, as people do."""
        return [
            *(f"Namespace {name}, with everything in it" for name in self.namespaces),
            *map(str, self.objects),
            *(["Istio's revision default, which the room has installed"] if self.mesh else []),
            *([f"{len(self.definitions)} CustomResourceDefinitions of Istio"] if self.definitions else []),
        ]


@dataclass(frozen=True)
class Cluster:
    """What there is.

    Attributes:
        namespaces: all of them.
        contents: the objects in each namespace that bears our label, by its name.
        mesh: what there is of Istio.
        routing: objects of Istio's kinds in every namespace.
        definitions: names of Istio's CustomResourceDefinitions.
        volumes: PersistentVolumes.
        cluster_wide: policies and rights of the whole cluster that bear our label.
        proxied: the namespaces in which a pod has a proxy of Istio's, however it came to it.
    """

    namespaces: Sequence[Object] = ()
    contents: Mapping[str, Sequence[Found]] = field(default_factory=dict)
    mesh: Mesh = field(default_factory=Mesh)
    routing: Sequence[Found] = ()
    definitions: Sequence[str] = ()
    volumes: Sequence[Object] = ()
    cluster_wide: Sequence[Found] = ()
    proxied: Collection[str] = ()

    @classmethod
    def read(cls, api: Api, room: str, mesh_namespace: str) -> Cluster:
        """Read it; nothing is changed."""
        namespaces = api.items("/api/v1/namespaces")
        found = list(kinds(api))
        istio = [kind for kind in found if kind.group.endswith(_ISTIO_GROUP)]
        return cls(
            namespaces=namespaces,
            contents=_contents(api, room, namespaces, found),
            mesh=Mesh.read(api, mesh_namespace),
            routing=[item for kind in istio for item in kind.objects(api)],
            definitions=sorted(f"{kind.plural}.{kind.group}" for kind in istio),
            volumes=api.items("/api/v1/persistentvolumes"),
            cluster_wide=list(_cluster_wide(api)),
            proxied={str(pod["metadata"]["namespace"]) for pod in api.items("/api/v1/pods") if has_proxy(pod)},
        )

    @classmethod
    def read_applications(cls, api: Api, room: str, names: Collection[str], with_others: bool) -> Cluster:
        """Read what `plan_applications` needs of it."""
        namespaces = [item for item in api.items("/api/v1/namespaces") if item["metadata"]["name"] in names]
        return cls(
            namespaces=namespaces,
            # What goes whatever it is need not be looked at.
            contents={} if with_others else _contents(api, room, namespaces, list(kinds(api))),
            volumes=api.items("/api/v1/persistentvolumes"),
        )


def _contents(api: Api, room: str, namespaces: Iterable[Object], found: Iterable[Kind]) -> dict[str, Sequence[Found]]:
    """Give the objects in each namespace of the room's that is not on its way out."""
    homes = [item["metadata"]["name"] for item in namespaces if is_ours(item, room) and not _ends(item)]
    return {home: [item for kind in found for item in kind.objects(api, home)] for home in homes}


def _cluster_wide(api: Api) -> Iterator[Found]:
    """Give what a class has for the whole cluster, by our label."""
    for kind, where in _CLUSTER_WIDE.items():
        path = f"/apis/{where}"
        try:
            items = api.items(path)
        except KubernetesError as error:
            if error.status == 404:  # a cluster that is too old for them
                continue
            raise
        yield from (Found(f"{path}/{item['metadata']['name']}", kind, item) for item in items if is_managed(item))


def plan_applications(cluster: Cluster, room: str, names: Collection[str], with_others: bool) -> Plan:
    """Decide what goes with a room's applications alone.

    Args:
        names: their namespaces.
        with_others: whether what somebody else has put into them goes as well.
    """
    made = Plan()
    _plan_namespaces(made, cluster, room, names, with_others)
    made.stays += _kept_volumes(cluster.volumes, made.namespaces)
    return made


def plan(cluster: Cluster, room: str) -> Plan:
    """Decide what goes with a room."""
    made = Plan()
    home = cluster.mesh.namespace["metadata"]["name"] if cluster.mesh.namespace else ""
    _plan_namespaces(made, cluster, room, {item["metadata"]["name"] for item in cluster.namespaces} - {home})
    # One that names no room may be what the cluster itself was made of.
    made.objects += [found for found in cluster.cluster_wide if found.item["metadata"]["labels"].get(ROOM) == room]
    if home and cluster.mesh.identity(room):
        _plan_mesh(made, cluster, room, home)
    elif cluster.mesh.is_there:
        made.stays.append(f"Istio stays: the room {room} has not installed it.")
    made.stays += _kept_volumes(cluster.volumes, made.namespaces)
    return made


def carry_out(made: Plan, api: Api, istioctl: Istioctl, waiting: Waiting, timeout: float) -> None:
    """Remove what a plan names, and wait until the namespaces are gone.

    Args:
        made: the plan.
        api: the cluster.
        istioctl: for Istio.
        waiting: waits for the namespaces.
        timeout: seconds that they may take.
    """
    remove_objects(made, api)
    if made.mesh:
        istioctl.uninstall()
        for path in _LEFT_BY_ISTIOCTL:
            for item in api.items(path, labelSelector=_OF_DEFAULT_REVISION):
                api.delete(f"{path}/{item['metadata']['name']}")
        if made.definitions:  # nobody else's istiod is left that would make them again
            for item in api.items("/api/v1/configmaps", labelSelector=_TO_EVERY_NAMESPACE):
                metadata = item["metadata"]
                api.delete(f"/api/v1/namespaces/{metadata['namespace']}/configmaps/{metadata['name']}")
    for name in made.definitions:
        api.delete(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
    remove_namespaces(made, api, waiting, timeout)


def remove_objects(made: Plan, api: Api) -> None:
    """Remove what is ours in namespaces that stay."""
    for found in made.objects:
        api.delete(found.path)


def remove_namespaces(made: Plan, api: Api, waiting: Waiting, timeout: float) -> None:
    """Remove namespaces, and wait until they are gone.

    Args:
        timeout: seconds that they may take.
    """
    for name in made.namespaces:
        api.delete(f"/api/v1/namespaces/{name}")
    if made.namespaces:
        waiting.until(lambda: {f"Namespace {name}": _ending(api, name) for name in made.namespaces}, timeout)


def _ending(api: Api, name: str) -> Look:
    """See how far the removal of a namespace of ours is, in which nothing that cannot end is waited for."""
    silent_nodes.let_go(api, api.items(f"/api/v1/namespaces/{name}/pods"))
    return gone(api, name)


def _plan_namespaces(
    made: Plan, cluster: Cluster, room: str, names: Collection[str], with_others: bool = False
) -> None:
    for namespace in cluster.namespaces:
        name = namespace["metadata"]["name"]
        if name not in names or not is_managed(namespace) or _ends(namespace):
            continue
        if (namespace["metadata"].get("labels") or {}).get(ROOM) != room:
            made.stays.append(f"Namespace {name} stays: it is {owner(namespace)}, not of the room {room}.")
        elif with_others:
            made.namespaces.append(name)
        else:
            _plan_namespace(made, name, cluster.contents.get(name, ()), room)


def _plan_namespace(made: Plan, name: str, contents: Sequence[Found], room: str) -> None:
    others = [found for found in contents if not is_made_by_itself(found) and not is_ours(found.item, room)]
    if others:
        made.stays.append(
            f"Namespace {name} stays, for what somebody else has put there: {', '.join(map(str, others))}. Without it, "
            f"kubectl delete namespace {name}."
        )
        made.objects += [found for found in contents if is_ours(found.item, room) and not is_made_by_itself(found)]
    else:
        made.namespaces.append(name)


def _plan_mesh(made: Plan, cluster: Cluster, room: str, home: str) -> None:
    users = [
        item["metadata"]["name"]
        for item in cluster.namespaces
        if item["metadata"]["name"] not in {home, *made.namespaces}
        and not is_ours(item, room)
        and (item["metadata"]["name"] in cluster.proxied or cluster.mesh.injects(item["metadata"].get("labels") or {}))
    ]
    if users:
        made.stays.append(
            f"Istio stays, although the room {room} has installed it: the namespace {', '.join(users)} uses it. "
            "Without that, istioctl uninstall --revision=default."
        )
        return
    made.mesh = True
    others = [
        found
        for found in cluster.contents.get(home, ())
        if not is_made_by_itself(found) and not _is_istios(found) and not is_ours(found.item, room)
    ]
    revisions = [
        item for item in cluster.mesh.istiods if (item["metadata"].get("labels") or {}).get(REVISION) != "default"
    ]
    if others or revisions:
        names = [*map(str, others), *(f"Deployment {item['metadata']['name']}" for item in revisions)]
        made.stays.append(
            f"Namespace {home} stays, for what somebody else has put there: {', '.join(dict.fromkeys(names))}."
        )
    else:
        made.namespaces.append(home)
    # The definitions would take every object of their kinds along.
    theirs = [
        found
        for found in cluster.routing
        if found.item["metadata"]["namespace"] not in made.namespaces and not is_ours(found.item, room)
    ]
    if theirs or revisions:
        made.stays.append(
            "Istio's CustomResourceDefinitions stay"
            + (f", for {', '.join(map(str, theirs))}." if theirs else ", for the other revision of Istio.")
        )
    else:
        made.definitions = list(cluster.definitions)


def _kept_volumes(volumes: Iterable[Object], namespaces: Iterable[str]) -> Iterator[str]:
    for volume in volumes:
        spec = volume.get("spec") or {}
        claim = spec.get("claimRef") or {}
        if claim.get("namespace") in set(namespaces) and spec.get("persistentVolumeReclaimPolicy") == "Retain":
            name = volume["metadata"]["name"]
            yield (
                f"PersistentVolume {name} of {claim['namespace']}/{claim.get('name')} stays, since its class retains "
                f"volumes: kubectl delete persistentvolume {name}."
            )


def _is_istios(found: Found) -> bool:
    """Tell whether istioctl or istiod has made an object in Istio's namespace."""
    metadata = found.item["metadata"]
    prefix = _ISTIODS_OWN.get(found.kind)
    return _BY_ISTIOCTL in (metadata.get("labels") or {}) or bool(prefix and metadata["name"].startswith(prefix))


def _ends(item: Object) -> bool:
    return bool(item["metadata"].get("deletionTimestamp"))
