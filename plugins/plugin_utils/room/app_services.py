# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shape an application's data (workshop_apps) into what its templates print, one plain dictionary per object."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError

Service = Mapping[str, Any]

DEFAULT_RESOURCES = {
    "requests": {"cpu": "20m", "memory": "64Mi"},
    "limits": {"cpu": "1", "memory": "256Mi"},
}
# The user of the images that we build (services/Dockerfile).
DEFAULT_USER = 10001
OUTSIDE = "outside"
# Characters of a version in a label: with a service's name and a ReplicaSet's suffix it must fit into a DNS label.
MAX_LABEL = 24


class AppDataError(WorkshopError, ValueError):
    """An application's data contradicts itself. The message is one sentence for people."""


def of_student(services: Sequence[Service], cpu: str, load_rate: float) -> list[dict[str, Any]]:
    """Give an application's services as a student's place has them, of which there are many in a room.

    None has a port of the nodes, and nobody outside calls one but the door, whose way is not the application's.

    Args:
        cpu: what a container asks of its node, as Kubernetes writes it.
        load_rate: requests a second of the load client to each backend.
    """
    found = []
    for service in services:
        own = {key: value for key, value in service.items() if key != "node_port"}
        if "callers" in own:
            own["callers"] = [caller for caller in own["callers"] if caller != OUTSIDE]
        resources = service.get("resources", DEFAULT_RESOURCES)
        own["resources"] = {**resources, "requests": {**resources["requests"], "cpu": cpu}}
        if "LOAD_RATE" in own.get("env", {}):
            own["env"] = {**own["env"], "LOAD_RATE": f"{load_rate:g}"}
        found.append(own)
    return found


def version_label(tag: str) -> str:
    """Give the label of an image's version: no two tags have the same one, and each is a part of a DNS name.

    >>> [version_label(tag) for tag in ("0.1", "1.10", "11.0")]
    ['v01', 'v1-10', 'v11-0']
    >>> version_label("1.0-RC1")
    'v1-0-rc1-9ea1e2'
    """
    if re.fullmatch(r"[0-9]\.[0-9]", tag):
        return "v" + tag.replace(".", "")
    if re.fullmatch(r"[0-9]+(\.[0-9]+)+", tag) and len(tag) <= MAX_LABEL:
        return "v" + tag.replace(".", "-")
    # Upper case, other characters and length are lost: the digest keeps what they tell apart.
    words = re.sub(r"[^a-z0-9]+", "-", tag.lower()).strip("-")[:MAX_LABEL]
    return f"v{words.rstrip('-')}-{hashlib.sha256(tag.encode()).hexdigest()[:6]}"


def deployed_tags(service: Service, versions: Mapping[str, Sequence[str]]) -> list[str]:
    """Name the tags that are deployed of a service: those asked for in `versions`, or its own."""
    if "versions" in service:
        return [str(tag) for tag in versions.get(service["name"], service["versions"])]
    return [str(service["tag"])] if "tag" in service else []


def image_references(services: Sequence[Service], versions: Mapping[str, Sequence[str]]) -> list[str]:
    """Name NAME:TAG of every image from our registry that is deployed."""
    return [
        f"{service['build']['image']}:{tag}"
        for service in services
        if "build" in service
        for tag in deployed_tags(service, versions)
    ]


def builds(services: Sequence[Service], base: str, extra_args: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give every image to build, one for each of a service's versions, deployed or not."""
    return [
        {
            "image": service["build"]["image"],
            "tag": str(version["tag"]),
            "dockerfile": service["build"]["dockerfile"],
            "paths": list(service["build"]["paths"]),
            "build_args": {
                "PYTHON_BASE": base,
                "VERSION": str(version["tag"]),
                "FAULTS": ",".join(version.get("faults", [])),
                **{name: str(value) for name, value in {**service["build"].get("args", {}), **extra_args}.items()},
            },
        }
        for service in services
        if "build" in service
        for version in service["build"]["versions"]
    ]


def deployments(
    services: Sequence[Service],
    digests: Mapping[str, str],
    registry: str,
    versions: Mapping[str, Sequence[str]],
) -> list[dict[str, Any]]:
    """Give every Deployment.

    Args:
        services: an application's services.
        digests: digest by NAME:TAG; a Deployment rolls when its image's contents change, also under the same tag.
        registry: the registry as the nodes name it.
        versions: tags to deploy by service, instead of the data's own.
    """
    result = []
    for service in services:
        if "image" in service:
            result.append(_deployment(service, service["name"], str(service["image"]), None, None))
            continue
        for tag in deployed_tags(service, versions):
            reference = f"{service['build']['image']}:{tag}"
            digest = digests.get(reference)
            image = f"{registry}/{reference}" + (f"@{digest}" if digest else "")
            label = version_label(tag) if "versions" in service else None
            name = f"{service['name']}-{label}" if label else service["name"]
            result.append(_deployment(service, name, image, label, tag))
    return result


def _deployment(service: Service, name: str, image: str, label: str | None, tag: str | None) -> dict[str, Any]:
    version = {"version": label} if label else {}
    volume = service.get("volume")
    return {
        "name": name,
        "service": service["name"],
        "image": image,
        "tag": tag,
        # A Deployment of one version selects its own pods alone.
        "labels": {"app": service["name"], **version},
        "replicas": int(service.get("replicas", 1)),
        "args": [str(argument) for argument in service.get("args", [])],
        "env": {key: str(value) for key, value in service.get("env", {}).items()},
        "port": int(service["container_port"]) if "container_port" in service else None,
        # What answers probes; `metrics` where Prometheus is answered too.
        "probe_port": int(service.get("probe_port", service.get("container_port", 0))) or None,
        "metrics": "probe_port" in service,
        "readiness": service.get("readiness"),
        "liveness": service.get("liveness"),
        "resources": service.get("resources", DEFAULT_RESOURCES),
        "user": int(service.get("user", DEFAULT_USER)),
        "volume": {"claim": f"{service['name']}-data", **volume} if volume else None,
    }


def kubernetes_services(services: Sequence[Service]) -> list[dict[str, Any]]:
    """Give every Service: a NodePort one where the data says `node_port`, else for the cluster alone."""
    return [
        {
            "name": service["name"],
            "port": int(service["port"]),
            "port_name": service.get("port_name", "http"),
            "target_port": int(service["container_port"]),
            "node_port": int(service["node_port"]) if "node_port" in service else None,
        }
        for service in services
        if "port" in service
    ]


def claims(services: Sequence[Service]) -> list[dict[str, str]]:
    """Give every PersistentVolumeClaim."""
    return [
        {"name": f"{service['name']}-data", "service": service["name"], "size": service["volume"]["size"]}
        for service in services
        if "volume" in service
    ]


def policies(services: Sequence[Service]) -> list[dict[str, Any]]:
    """Give every NetworkPolicy that lets somebody in: a service's callers, to its port."""
    names = {service["name"] for service in services}
    result = []
    for service in services:
        callers = list(service.get("callers", []))
        unknown = [caller for caller in callers if caller not in names | {OUTSIDE}]
        if unknown:
            raise AppDataError(
                f"{service['name']} names the callers {', '.join(unknown)}, but there are only "
                f"{', '.join(sorted(names))} and '{OUTSIDE}': correct `callers` in workshop_apps."
            )
        if callers:
            inside = [] if OUTSIDE in callers else callers
            result.append({"name": service["name"], "callers": inside, "port": int(service["container_port"])})
    return result


def mesh_checks(services: Sequence[Service], namespace: str) -> list[dict[str, Any]]:
    """Give the pods that try the mesh: each service's first caller, once in plain text and once by its own proxy."""
    pods: list[dict[str, Any]] = []
    for service in services:
        callers = [name for name in service.get("callers", []) if name != OUTSIDE]
        if len(callers) == len(service.get("callers", [])) and callers and "readiness" in service:
            same = {
                "namespace": namespace,
                "labels": {"app": callers[0]},
                "targets": [f"{service['name']}:{service['port']}"],
            }
            pods += [
                {"name": f"plain-{service['name']}", **same, "speak": "http", "expect": "refused"},
                {"name": f"meshed-{service['name']}", **same, "speak": "http", "meshed": True, "expect": "reached"},
            ]
    return pods


def connection_checks(services: Sequence[Service], namespace: str, foreign: str) -> list[dict[str, Any]]:
    """Give the pods that try the network policies: each caller, and an intruder here and in a foreign namespace."""
    closed = [service for service in services if "port" in service and OUTSIDE not in service.get("callers", [])]
    if not closed:
        return []
    targets = [f"{service['name']}:{service['port']}" for service in closed]
    pods = [
        {"name": "intruder", "namespace": namespace, "labels": {}, "targets": targets, "expect": "refused"},
        {"name": "intruder", "namespace": foreign, "labels": {}, "targets": targets, "expect": "refused"},
    ]
    for service in services:
        reaches = [
            f"{other['name']}:{other['port']}" for other in closed if service["name"] in other.get("callers", [])
        ]
        if reaches:
            labels = {"app": service["name"]}
            name = f"as-{service['name']}"
            pods.append(
                {"name": name, "namespace": namespace, "labels": labels, "targets": reaches, "expect": "reached"}
            )
    return pods
