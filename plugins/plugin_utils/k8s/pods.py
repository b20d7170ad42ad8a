# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a pod does not run, in one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.events import PROVISIONING_SECONDS, Events
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.waiting import (
    HOPELESS,
    ONLY_TOLD,
    PATIENCE_SECONDS,
    Trouble,
)

__all__ = ("PROXY", "Trouble", "has_proxy", "is_ready", "not_ready", "path_of", "trouble")

# As Istio's injector names it.
PROXY = "istio-proxy"

# Waiting states that end by themselves, and what Kubernetes calls the ones that do not.
_HARMLESS = {"ContainerCreating", "PodInitializing"}
_BAD_IMAGE = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
_HOPELESS = {
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "InvalidImageName",
    "ErrImageNeverPull",
}


def trouble(pod: Mapping[str, Any], events: Events | None = None) -> Trouble | None:
    """Say what is wrong with a pod; None when it runs or is merely on its way.

    Args:
        events: of its namespace, for what its status does not tell: a volume that cannot be mounted, no network.

    >>> trouble({"status": {"phase": "Failed", "reason": "Evicted"}}).sentence
    'the pod failed: Evicted'
    """
    status = pod.get("status") or {}
    about = _about(pod)
    for container in _containers(status):
        found = _waiting_trouble(container, about) or (None if _restarts(pod) else _ended(container, about))
        if found:
            return found
    if status.get("phase") == "Failed":
        reason = status.get("message") or status.get("reason") or "for no stated reason"
        return Trouble(f"the pod failed: {reason}", HOPELESS, about, "Failed")
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            volume = next((found for claim in _claims(pod) if events and (found := events.volume(*claim))), None)
            why = volume.sentence if volume else condition.get("message", condition.get("reason", ""))
            return Trouble(f"no node takes it: {why}", PROVISIONING_SECONDS, about, "Unschedulable")
    if events and "metadata" in pod and status.get("phase", "Pending") == "Pending":
        told = (events.trouble("Pod", pod), *(events.volume(*claim) for claim in _claims(pod)))
        return next((each for each in told if each), None)
    return None


def path_of(pod: Mapping[str, Any]) -> str:
    """Give a pod's path in the API."""
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Tell whether a pod gets traffic."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    return "deletionTimestamp" not in pod["metadata"] and any(
        condition.get("type") == "Ready" and condition.get("status") == "True" for condition in conditions
    )


def has_proxy(pod: Mapping[str, Any]) -> bool:
    """Tell whether a pod has a proxy of Istio's: a native one is among the init containers."""
    spec = pod.get("spec") or {}
    return any(each["name"] == PROXY for kind in ("initContainers", "containers") for each in spec.get(kind) or [])


def not_ready(pod: Mapping[str, Any]) -> Trouble | None:
    """Name a container that runs but is not ready (its readiness probe fails), or that ended and is not restarted.

    That is how a pod comes up, too: it is told, and ends no wait.
    """
    about, status = _about(pod), pod.get("status") or {}
    preparing = {container["name"] for container in (pod.get("spec") or {}).get("initContainers") or []}
    for container in _containers(status):
        ended = _ended(container, about, ONLY_TOLD)
        if ended:
            return ended
        if "running" in (container.get("state") or {}) and not container.get("ready"):
            what = "has not prepared the pod yet" if container["name"] in preparing else "does not become ready"
            sentence = f"container {container['name']} runs, but {what}"
            return Trouble(sentence, ONLY_TOLD, about, "NotReady", container["name"])
    return None


def _about(pod: Mapping[str, Any]) -> str:
    return f"pod {(pod.get('metadata') or {}).get('name', '')}".rstrip()


def _claims(pod: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name the claims of a pod's volumes as their events do."""
    for volume in (pod.get("spec") or {}).get("volumes") or []:
        claim = volume.get("persistentVolumeClaim")
        if claim:
            yield "PersistentVolumeClaim", {"metadata": {"name": claim["claimName"]}}


def _containers(status: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield from status.get("initContainerStatuses") or []
    yield from status.get("containerStatuses") or []


def _restarts(pod: Mapping[str, Any]) -> bool:
    """Tell whether a container that ends is started anew: it ends with its node's restart, too."""
    return bool((pod.get("spec") or {}).get("restartPolicy") == "Always")


def _waiting_trouble(container: Mapping[str, Any], about: str) -> Trouble | None:
    name = container["name"]
    waiting = (container.get("state") or {}).get("waiting")
    if waiting and waiting.get("reason") not in _HARMLESS:
        reason, message = waiting.get("reason") or "waiting", waiting.get("message") or ""
        patience = HOPELESS if reason in _HOPELESS else PATIENCE_SECONDS
        if reason in _BAD_IMAGE:
            # Two words for one trouble, in turn: pulling fails, and is not tried again yet.
            sentence = f"image {container.get('image')} cannot be had ({reason}: {message})"
            return Trouble(sentence, patience, about, f"image of {name}")
        if reason == "CrashLoopBackOff":
            ended = (container.get("lastState") or {}).get("terminated") or {}
            restarts = container.get("restartCount", 0)
            sentence = f"container {name} keeps ending ({_ending(ended)}; {restarts} restarts)"
            patience = HOPELESS if restarts >= 2 else PATIENCE_SECONDS
            return Trouble(sentence, patience, about, f"end of {name}", name, previous=True)
        return Trouble(f"container {name} does not start ({reason}: {message})", patience, about, reason, name)
    return None


def _ended(container: Mapping[str, Any], about: str, patience: float = PATIENCE_SECONDS) -> Trouble | None:
    terminated = (container.get("state") or {}).get("terminated")
    if terminated and terminated.get("exitCode", 0) != 0:
        name = container["name"]
        return Trouble(f"container {name} ended ({_ending(terminated)})", patience, about, f"end of {name}", name)
    return None


def _ending(terminated: Mapping[str, Any]) -> str:
    code = terminated.get("exitCode")
    if terminated.get("reason") == "OOMKilled":
        return f"killed for using more memory than its limit, exit code {code}"
    return f"exit code {code}"
