# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What makes a place sleep and wake, as objects in the cluster.

Twice at work: in suspend.yml and resume.yml, and in the room's own Job that puts places to sleep whose time is over
(roles/student/files/expiry.py). The Job is given this very file, and ownership.py, and has nothing but Python: so this
imports nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import PREFIX, labelled

# The label that names the student, on each object of a place, and the annotation with a place's state on its namespace.
STUDENT = f"{PREFIX}student"
PLACE = f"{PREFIX}place"
# On a Deployment that sleeps: how many pods it had. Beside it, a quota of no pods, whatever somebody scales.
REPLICAS, ASLEEP = f"{PREFIX}replicas", "asleep"
ENDED = ("Succeeded", "Failed")
# The most that a pod may ask for to end in (roles/student/templates/admission.yml.j2). Who deletes one may name more.
END_SECONDS = 60
SUSPENDED, MAKING, FAILED = "suspended", "making", "failed"
# Beside a place's fields in that annotation: since when somebody is at work on one that is `making`, and whether one
# that was left so was put to sleep.
SINCE, LEFT = "since", "left"
# Longer than a run works on one place.
LEFT_HOURS = 1
# The annotation of a namespace with when somebody began to put the place right, and longer than that takes.
MENDED, MENDED_SECONDS = f"{PREFIX}mended", 300
# The cause of one that is half asleep.
GOING = "It is being put to sleep."
# Longer than a stage lets its Lease be.
HELD_SECONDS = 60
# RFC 3339, UTC: such times sort as text.
TIME = "%Y-%m-%dT%H:%M:%SZ"
NUMBER = re.compile("[1-9][0-9]{0,2}", re.ASCII)


class Cluster(Protocol):
    """What is needed of the API."""

    def items(self, path: str, **query: str) -> list[dict[str, Any]]:
        """Read the objects of a list."""

    def merge(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Change some fields of an object."""

    def apply(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Apply a manifest on the server's side."""

    def delete(self, path: str, grace_seconds: int | None = None) -> None:
        """Delete an object; one that is gone already is fine."""


def begin(cluster: Cluster, namespace: str, student: str, room: str) -> None:
    """Let no pod of a place run any more; what runs them bears how many it had."""
    quota = no_pods(namespace, ASLEEP)
    quota["metadata"]["labels"] = {STUDENT: student}
    cluster.apply(quota_path(namespace, ASLEEP), labelled(quota, room))
    for path, item in _running_pods(cluster, namespace):
        replicas = item["spec"].get("replicas", 1)
        if replicas:
            had = {"metadata": {"annotations": {REPLICAS: str(replicas)}}}
            _change(cluster, path, {**had, "spec": {"replicas": 0}})
    for path in _held_back(cluster, namespace):
        _change(cluster, path, {"spec": {"replicas": 0}})


def no_pods(namespace: str, name: str) -> dict[str, Any]:
    """Give the quota with which no pod of a place begins."""
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"hard": {"pods": "0"}},
    }


def quota_path(namespace: str, name: str) -> str:
    """Give the path of a quota."""
    return f"/api/v1/namespaces/{namespace}/resourcequotas/{name}"


def end(cluster: Cluster, namespace: str) -> list[str]:
    """Let a place's pods run as they did; name the Deployments that do."""
    cluster.delete(quota_path(namespace, ASLEEP))
    running = []
    for path, item in _running_pods(cluster, namespace):
        changes = woken(item)
        now = _change(cluster, path, changes) if changes else item
        if now and now["spec"].get("replicas", 1) and path.startswith(deployments(namespace)):
            running.append(item["metadata"]["name"])
    return running


def _running_pods(cluster: Cluster, namespace: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give what runs a place's pods, each with its path.

    A ReplicaSet that belongs to nobody is of a Deployment that its student has deleted with --cascade=orphan.
    """
    path = deployments(namespace)
    for item in cluster.items(path):
        yield f"{path}/{item['metadata']['name']}", item
    for path, item in _sets(cluster, namespace):
        if not item["metadata"].get("ownerReferences"):
            yield path, item


def _held_back(cluster: Cluster, namespace: str) -> list[str]:
    """Give the ReplicaSets that run pods of a Deployment that is paused.

    Paused halfway through a rollout, with the strategy Recreate, it hands on no number of pods to them.
    """
    items = cluster.items(deployments(namespace))
    paused = {item["metadata"]["name"] for item in items if item["spec"].get("paused")}
    return [
        path
        for path, item in (_sets(cluster, namespace) if paused else ())
        if item["spec"].get("replicas", 1)
        and any(each["name"] in paused for each in item["metadata"].get("ownerReferences") or [])
    ]


def _sets(cluster: Cluster, namespace: str) -> list[tuple[str, dict[str, Any]]]:
    path = f"/apis/apps/v1/namespaces/{namespace}/replicasets"
    try:
        return [(f"{path}/{item['metadata']['name']}", item) for item in cluster.items(path)]
    except Exception as error:
        if _code(error) != 403:  # the Job in a place that an older version has made
            raise
        return []


def _change(cluster: Cluster, path: str, changes: Mapping[str, Any]) -> dict[str, Any] | None:
    """Change something; None where its student has removed it meanwhile, which keeps no place awake."""
    try:
        return cluster.merge(path, changes)
    except Exception as error:
        if _code(error) != 404:
            raise
        return None


def _code(error: Exception) -> int | None:
    """Give what the API server has answered: this collection's own error has a status, the Job's a code."""
    found: int | None = getattr(error, "status", getattr(error, "code", None))
    return found


def running(cluster: Cluster, namespace: str) -> list[dict[str, Any]]:
    """Give a place's pods that run or are ending; one that a node has put out stays, and ends no more."""
    pods = cluster.items(f"/api/v1/namespaces/{namespace}/pods")
    return [pod for pod in pods if (pod.get("status") or {}).get("phase") not in ENDED]


def hurry(cluster: Cluster, namespace: str, pods: Iterable[Mapping[str, Any]]) -> None:
    """Let pods end in the time that a pod may ask for, where their student has deleted them with more."""
    for pod in pods:
        if pod["metadata"].get("deletionGracePeriodSeconds", 0) > END_SECONDS:
            try:
                cluster.delete(f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}", END_SECONDS)
            except Exception as error:
                if _code(error) != 403:  # the Job in a place that an older version has made
                    raise


def stage_is_at_work(cluster: Cluster, namespace: str, held: str) -> bool:
    """Tell whether a stage holds a place; one that has not said so since `held` (RFC 3339, UTC) does not any more."""
    try:
        leases = cluster.items(f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases")
    except Exception as error:
        if _code(error) != 403:  # the Job in a place that an older version has made
            raise
        return False
    specs = [lease.get("spec") or {} for lease in leases]
    return any(spec.get("holderIdentity") and (spec.get("renewTime") or "") > held for spec in specs)


def woken(deployment: Mapping[str, Any]) -> dict[str, Any] | None:
    """Give the changes with which a Deployment, or such a ReplicaSet, runs as it did; None if it did not sleep."""
    had = (deployment["metadata"].get("annotations") or {}).get(REPLICAS)
    if had is None:
        return None
    changes: dict[str, Any] = {"metadata": {"annotations": {REPLICAS: None}}}
    if not deployment["spec"].get("replicas", 1):
        # Its student may have written something else there.
        changes["spec"] = {"replicas": int(had) if NUMBER.fullmatch(had) else 1}
    return changes


def deployments(namespace: str) -> str:
    """Give the path of a namespace's Deployments."""
    return f"/apis/apps/v1/namespaces/{namespace}/deployments"


def noted(namespace: Mapping[str, Any]) -> dict[str, str]:
    """Read what a place's namespace bears of it; nothing where somebody has written something else there."""
    text = (namespace["metadata"].get("annotations") or {}).get(PLACE, "{}")
    try:
        return {str(name): str(value) for name, value in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def note(cluster: Cluster, namespace: str, fields: Mapping[str, str], version: str = "") -> dict[str, Any]:
    """Write what a place's namespace bears of it.

    Args:
        version: the resourceVersion that it was read at: who else has changed it since is not written over.
    """
    since = {"resourceVersion": version} if version else {}
    body = {"metadata": {**since, "annotations": {PLACE: json.dumps(fields)}}}
    return cluster.merge(f"/api/v1/namespaces/{namespace}", body)


def note_mending(cluster: Cluster, namespace: str) -> None:
    """Write that somebody begins to put a place right: its pods are not throttled meanwhile."""
    cluster.merge(f"/api/v1/namespaces/{namespace}", {"metadata": {"annotations": {MENDED: ago()}}})


def ago(**time: float) -> str:
    """Give the time that it was some time ago (as `timedelta` takes it), or is now, as objects bear it."""
    return (datetime.now(UTC) - timedelta(**time)).strftime(TIME)
