# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a pod does not run, in one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True)
class Trouble:
    """What keeps a pod from running."""

    sentence: str
    # Waiting longer does not help.
    hopeless: bool
    # The container whose log tells more.
    container: str | None = None
    previous: bool = False


def trouble(pod: Mapping[str, Any]) -> Trouble | None:
    """Say what is wrong with a pod; None when it runs or is merely on its way.

    >>> trouble({"status": {"phase": "Failed", "reason": "Evicted"}}).sentence
    'the pod failed: Evicted'
    """
    status = pod.get("status") or {}
    for container in _containers(status):
        found = _waiting_trouble(container) or (None if _restarts(pod) else _ended(container))
        if found:
            return found
    if status.get("phase") == "Failed":
        reason = status.get("message") or status.get("reason") or "for no stated reason"
        return Trouble(f"the pod failed: {reason}", hopeless=True)
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return Trouble(f"no node takes it: {condition.get('message', condition.get('reason', ''))}", hopeless=False)
    return None


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Tell whether a pod gets traffic."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    return "deletionTimestamp" not in pod["metadata"] and any(
        condition.get("type") == "Ready" and condition.get("status") == "True" for condition in conditions
    )


def not_ready(pod: Mapping[str, Any]) -> Trouble | None:
    """Name a container that runs but is not ready (its readiness probe fails), or that ended and is not restarted."""
    for container in _containers(pod.get("status") or {}):
        ended = _ended(container)
        if ended:
            return ended
        if "running" in (container.get("state") or {}) and not container.get("ready"):
            return Trouble(f"container {container['name']} runs, but does not become ready", False, container["name"])
    return None


def _containers(status: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield from status.get("initContainerStatuses") or []
    yield from status.get("containerStatuses") or []


def _restarts(pod: Mapping[str, Any]) -> bool:
    """Tell whether a container that ends is started anew: it ends with its node's restart, too."""
    return bool((pod.get("spec") or {}).get("restartPolicy") == "Always")


def _waiting_trouble(container: Mapping[str, Any]) -> Trouble | None:
    name = container["name"]
    waiting = (container.get("state") or {}).get("waiting")
    if waiting and waiting.get("reason") not in _HARMLESS:
        reason, message = waiting.get("reason") or "waiting", waiting.get("message") or ""
        if reason in _BAD_IMAGE:
            return Trouble(f"image {container.get('image')} cannot be had ({reason}: {message})", reason in _HOPELESS)
        if reason == "CrashLoopBackOff":
            ended = (container.get("lastState") or {}).get("terminated") or {}
            restarts = container.get("restartCount", 0)
            sentence = f"container {name} keeps ending ({_ending(ended)}; {restarts} restarts)"
            return Trouble(sentence, restarts >= 2, name, previous=True)
        return Trouble(f"container {name} does not start ({reason}: {message})", reason in _HOPELESS, name)
    return None


def _ended(container: Mapping[str, Any]) -> Trouble | None:
    terminated = (container.get("state") or {}).get("terminated")
    if terminated and terminated.get("exitCode", 0) != 0:
        return Trouble(f"container {container['name']} ended ({_ending(terminated)})", False, container["name"])
    return None


def _ending(terminated: Mapping[str, Any]) -> str:
    code = terminated.get("exitCode")
    if terminated.get("reason") == "OOMKilled":
        return f"killed for using more memory than its limit, exit code {code}"
    return f"exit code {code}"
