# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What we are about to write of things that a cluster has once for everybody, and whose they are now.

A claim names what is wanted, and the setting that chooses another. Where somebody else owns it, it gives one sentence:
what was found, whose it is, what to type. All are judged before anything is written. What is absent is ours, and so is
what bears our label and this room's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import mesh_claims
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.mesh import Mesh
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import is_ours, owner, owner_labels
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import app_services

NODE_PORTS = range(30000, 32768)
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_POLICIES = "/apis/security.istio.io/v1/peerauthentications"

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Namespace:
    """A namespace that we make, label and fill."""

    name: str
    setting: str = ""


@dataclass(frozen=True)
class NodePort:
    """A NodePort of a Service of ours."""

    number: int
    setting: str = ""


@dataclass(frozen=True)
class Volume:
    """A PersistentVolumeClaim of ours; without a StorageClass it takes the cluster's default one."""

    namespace: str
    name: str
    storage_class: str = ""
    setting: str = ""


@dataclass(frozen=True)
class Claims:
    """Everything that a play will write to.

    Attributes:
        installs_mesh: whether Istio itself is installed or changed.
        on_mesh: the namespace whose pods are on the mesh, and whose mTLS mode we choose; empty: none.
    """

    namespaces: Sequence[Namespace] = ()
    node_ports: Sequence[NodePort] = ()
    volumes: Sequence[Volume] = ()
    installs_mesh: bool = False
    on_mesh: str = ""

    @classmethod
    def of(cls, given: Iterable[Mapping[str, Any]]) -> Claims:
        """Put together what several parts of a play say they will write.

        >>> claims = Claims.of([{"namespaces": [{"name": "build"}]}, {"installs_mesh": True, "on_mesh": "shop"}])
        >>> claims.namespaces, claims.installs_mesh, claims.on_mesh
        ([Namespace(name='build', setting='')], True, 'shop')
        """
        parts = list(given)
        return cls(
            namespaces=[Namespace(**item) for part in parts for item in part.get("namespaces") or []],
            node_ports=[
                NodePort(int(item["number"]), item.get("setting", ""))
                for part in parts
                for item in part.get("node_ports") or []
            ],
            volumes=[Volume(**item) for part in parts for item in part.get("volumes") or []],
            installs_mesh=any(part.get("installs_mesh") for part in parts),
            on_mesh=next((part["on_mesh"] for part in parts if part.get("on_mesh")), ""),
        )


def of_application(app: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Give what an application claims, as the action `ownership` takes it.

    Args:
        app: an entry of `workshop_apps`.
        settings: variables by name that choose namespaces and NodePorts, with their values.
    """
    by_value = {str(value): name for name, value in settings.items()}
    namespace, services = app["namespace"], app["services"]
    on_mesh = (app.get("namespace_labels") or {}).get("istio-injection") == "enabled"
    return {
        "namespaces": [{"name": namespace, "setting": by_value.get(namespace, "")}],
        "node_ports": [
            {"number": service["node_port"], "setting": by_value.get(str(service["node_port"]), "")}
            for service in services
            if service.get("node_port")
        ],
        "volumes": [{"namespace": namespace, "name": claim["name"]} for claim in app_services.claims(services)],
        "on_mesh": namespace if on_mesh else "",
    }


@dataclass(frozen=True)
class Cluster:
    """What there is of all that can be claimed: plain objects of the API."""

    namespaces: Sequence[Object] = ()
    services: Sequence[Object] = ()
    storage_classes: Sequence[Object] = ()
    volume_claims: Sequence[Object] = ()
    volumes: Sequence[Object] = ()
    policies: Sequence[Object] = ()
    mesh: Mesh = field(default_factory=Mesh)

    @classmethod
    def read(cls, api: Api, claims: Claims, mesh_namespace: str) -> Cluster:
        """Read what the claims are judged by; nothing is changed."""
        mesh = Mesh.read(api, mesh_namespace) if claims.installs_mesh or claims.on_mesh else Mesh()
        return cls(
            namespaces=api.items("/api/v1/namespaces"),
            services=api.items("/api/v1/services") if claims.node_ports else [],
            storage_classes=api.items("/apis/storage.k8s.io/v1/storageclasses") if claims.volumes else [],
            volume_claims=api.items("/api/v1/persistentvolumeclaims") if claims.volumes else [],
            volumes=api.items("/api/v1/persistentvolumes") if claims.volumes else [],
            policies=api.items(_POLICIES) if claims.on_mesh and mesh_claims.serves_v1(mesh) else [],
            mesh=mesh,
        )


@dataclass(frozen=True)
class Asker:
    """For whom the claims are judged.

    Attributes:
        room: the room's name.
        exclusive: whether the cluster is the room's alone, so that what was changed of its own Istio is put right.
        use_existing_mesh: whether Istio is used as it is, whosever it is.
        mesh_revision: the revision that the application's namespace is to ask for; empty: the default one.
        pod_security: the Pod Security Standard that the application's namespace will enforce.
    """

    room: str
    exclusive: bool = False
    use_existing_mesh: bool = False
    mesh_revision: str = ""
    pod_security: str = "restricted"


def problems(claims: Claims, cluster: Cluster, asker: Asker) -> list[str]:
    """Give a sentence for each thing that is somebody else's."""
    judges: Sequence[Callable[[Claims, Cluster, Asker], Iterable[str]]] = (
        _namespaces,
        _node_ports,
        _volumes,
        _mesh,
        _policies,
    )
    return [sentence for judge in judges for sentence in judge(claims, cluster, asker)]


def _namespaces(claims: Claims, cluster: Cluster, asker: Asker) -> Iterator[str]:
    found = {item["metadata"]["name"]: item for item in cluster.namespaces}
    labels = " ".join(f"{key}={value}" for key, value in owner_labels(asker.room).items())
    for claim in claims.namespaces:
        namespace = found.get(claim.name)
        # One that is being deleted is waited for before anything is written.
        leaves = namespace is not None and namespace["metadata"].get("deletionTimestamp")
        if namespace is not None and not leaves and not is_ours(namespace, asker.room):
            other = f"choose another one with -e {claim.setting}=NAME, or " if claim.setting else ""
            yield (
                f"Namespace {claim.name} is there already, {owner(namespace)}, and the workshop would decide on its "
                f"labels and on who may connect in it: {other}give it to the workshop with kubectl label namespace "
                f"{claim.name} --overwrite {labels}."
            )


def _node_ports(claims: Claims, cluster: Cluster, asker: Asker) -> Iterator[str]:
    held = {number: service for service in cluster.services for number in _ports_of(service)}
    wanted = {claim.number for claim in claims.node_ports}
    free = (number for number in NODE_PORTS if number not in held and number not in wanted)
    for claim in claims.node_ports:
        service = held.get(claim.number)
        if service is not None and not is_ours(service, asker.room):
            name = f"{service['metadata']['namespace']}/{service['metadata']['name']}"
            setting = claim.setting or "the node_port of its service in workshop_apps"
            choice = f"-e {setting}={next(free, 'NUMBER')}" if claim.setting else f"{next(free, 'another')}"
            yield (
                f"NodePort {claim.number} ({setting}) is held by Service {name}, {owner(service)}: choose another one, "
                f"for example {choice}."
            )


def _ports_of(service: Object) -> Iterator[int]:
    spec = service.get("spec") or {}
    for port in spec.get("ports") or []:
        if port.get("nodePort"):
            yield int(port["nodePort"])
    if spec.get("healthCheckNodePort"):
        yield int(spec["healthCheckNodePort"])


def _volumes(claims: Claims, cluster: Cluster, asker: Asker) -> Iterator[str]:
    there = {(item["metadata"]["namespace"], item["metadata"]["name"]) for item in cluster.volume_claims}
    names = sorted(item["metadata"]["name"] for item in cluster.storage_classes)
    has_default = any(
        (item["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true" for item in cluster.storage_classes
    )
    # Without a class, a volume that somebody has made by hand is as good.
    has_volume = any(
        not item["spec"].get("storageClassName") and (item.get("status") or {}).get("phase") == "Available"
        for item in cluster.volumes
    )
    has = f"it has {', '.join(names)}" if names else "it has none at all"
    for claim in claims.volumes:
        if (claim.namespace, claim.name) in there:
            continue
        if claim.storage_class and claim.storage_class not in names:
            yield f"StorageClass {claim.storage_class} ({claim.setting}) is not in this cluster: {has}."
        elif not claim.storage_class and not has_default and not has_volume:
            named = f"name one with -e {claim.setting}=NAME, or " if claim.setting else ""
            yield (
                f"Volume {claim.namespace}/{claim.name} would wait for ever, since no StorageClass of this cluster "
                f"is the default ({has}): {named}make one the default with kubectl annotate storageclass NAME "
                f"{_DEFAULT_CLASS}=true."
            )


def _mesh(claims: Claims, cluster: Cluster, asker: Asker) -> Iterable[str]:
    if not (claims.installs_mesh or claims.on_mesh):
        return []
    if asker.use_existing_mesh:
        return mesh_claims.unusable(cluster.mesh, asker.mesh_revision, asker.pod_security)
    return mesh_claims.foreign(cluster.mesh, asker.room, exclusive=asker.exclusive)


def _policies(claims: Claims, cluster: Cluster, asker: Asker) -> Iterator[str]:
    for policy in cluster.policies:
        metadata, spec = policy["metadata"], policy.get("spec") or {}
        if metadata["namespace"] != claims.on_mesh or spec.get("selector") or is_ours(policy, asker.room):
            continue
        mode = (spec.get("mtls") or {}).get("mode", "UNSET")
        yield (
            f"PeerAuthentication {metadata['namespace']}/{metadata['name']} ({mode}), {owner(policy)}, decides on "
            "mTLS in the application's namespace, where the workshop makes it STRICT: remove it (kubectl delete "
            f"peerauthentication {metadata['name']} --namespace={metadata['namespace']}), or choose another "
            "namespace with -e workshop_namespace=NAME."
        )
