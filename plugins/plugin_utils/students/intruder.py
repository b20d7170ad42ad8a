# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""See that a place's network policies are in force: what they say is no proof, since nodes take a while to follow.

One pod outside of every place tries to reach each pod of a place; and a pod of the place tries to leave it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import pod_exec
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import PREFIX, owner_labels
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.pods import PROXY, is_ready, trouble
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.requests import is_running
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.waiting import Look, WaitError, Waiting

LABEL = f"{PREFIX}intruder"
CONTAINER = "intruder"
# It ends by itself when nobody has removed it, and its Job goes a little later.
LIFE_SECONDS, LEFT_SECONDS = 3600, 60
# Of each pod: a policy holds for all of them, and a student's may name a thousand.
MOST_PORTS = 5
START_SECONDS, EXEC_SECONDS = 120.0, 30.0
# `nc ... -e` runs its program once connected; no data is sent. Each address costs a second at most, side by side.
TRY = 'for at in "$@"; do (nc -w 1 "${at%:*}" "${at##*:}" -e /bin/true 2>/dev/null && echo "$at") & done; wait'
# A proxy accepts each connection of its pod by itself: only an answer tells that one has left the place.
LEAVE = """
import socket, ssl, sys
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
try:
    with socket.create_connection((sys.argv[1], 443), 3) as plain:
        plain.settimeout(3)
        context.wrap_socket(plain)
except OSError as error:
    print("refused", error)
else:
    print("reached")
"""


class PolicyError(WorkshopError):
    """A place's network policies are not in force."""


def job(image: str, namespace: str, room: str) -> dict[str, Any]:
    """Make the intruder's Job, fit for a namespace that enforces the restricted Pod Security Standard."""
    security = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    pod = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65534,
            "runAsGroup": 65534,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": CONTAINER,
                "image": image,
                "imagePullPolicy": "IfNotPresent",
                "command": ["/bin/sleep", str(LIFE_SECONDS)],
                "resources": {"requests": {"cpu": "1m", "memory": "16Mi"}, "limits": {"cpu": "500m", "memory": "64Mi"}},
                "securityContext": security,
            }
        ],
    }
    labels = {LABEL: room or "room"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "generateName": "intruder-",
            "namespace": namespace,
            "labels": {**labels, **owner_labels(room)},
        },
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": LIFE_SECONDS,
            "ttlSecondsAfterFinished": LEFT_SECONDS,
            "template": {"metadata": {"labels": {**labels, "sidecar.istio.io/inject": "false"}}, "spec": pod},
        },
    }


@contextmanager
def intruder(
    api: Api, image: str, namespace: str, room: str, say: Callable[[str], None]
) -> Iterator[pod_exec.Container]:
    """Have a pod outside of every place, for as long as the context lasts; it is seen to reach what it may.

    Raises:
        WorkshopError: it does not start, or reaches nothing at all, so that a refusal would prove nothing.
    """
    jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    for item in api.items(jobs, labelSelector=f"{LABEL}={room or 'room'}"):  # of a run that was killed
        api.delete(f"{jobs}/{item['metadata']['name']}")
    name = api.create(jobs, job(image, namespace, room))["metadata"]["name"]
    try:
        where = _started(api, namespace, name, say)
        address = f"{api_address(api)}:443"
        if reached(api, where, [address]) != [address]:
            raise PolicyError(
                f"A pod in namespace {namespace} does not reach the API server at {address}, so that a refusal would "
                "prove nothing: does a NetworkPolicy hold for that namespace?"
            )
        yield where
    finally:
        api.delete(f"{jobs}/{name}")


def _started(api: Api, namespace: str, name: str, say: Callable[[str], None]) -> pod_exec.Container:
    found: list[Mapping[str, Any]] = []

    def look() -> dict[str, Look]:
        path = f"/api/v1/namespaces/{namespace}/pods"
        found[:] = api.items(path, labelSelector=f"batch.kubernetes.io/job-name={name}")
        pod = found[0] if found else {"metadata": {}}
        return {"the intruder's pod": Look(is_ready(pod), "starting", trouble(pod))}

    try:
        Waiting(api, say).until(look, START_SECONDS, 0.5)
    except WaitError as error:
        raise PolicyError(f"The pod that tries the policies does not start: {error}.") from error
    return pod_exec.Container(namespace, str(found[0]["metadata"]["name"]), CONTAINER)


def api_address(api: Api) -> str:
    """Give the API server's address inside the cluster: every pod without a policy reaches it."""
    return str(api.get("/api/v1/namespaces/default/services/kubernetes")["spec"]["clusterIP"])


def reached(api: Api, where: pod_exec.Container, addresses: Iterable[str]) -> list[str]:
    """Try to connect to ADDRESS:PORT from a pod; give those that were reached."""
    command = ["/bin/sh", "-c", TRY, "try", *addresses]
    return sorted(pod_exec.run(api, where, command, EXEC_SECONDS, lambda _: None).split())


def targets(pods: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Name the first ports of a place's pods by their ADDRESS:PORT, but those of the proxies, which are Istio's own.

    A pod that has ended still bears its address, which is somebody else's by now.
    """
    return {
        f"{pod['status']['podIP']}:{port}": f"{pod['metadata']['name']}:{port}"
        for pod in pods
        if is_running(pod) and (pod.get("status") or {}).get("podIP")
        for port in _ports(pod)[:MOST_PORTS]
    }


def _ports(pod: Mapping[str, Any]) -> list[int]:
    containers = [each for each in pod["spec"]["containers"] if each["name"] != PROXY]
    return [port["containerPort"] for container in containers for port in container.get("ports") or []]


def prove(
    api: Api,
    where: pod_exec.Container,
    namespace: str,
    timeout: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> float:
    """Wait until an intruder reaches nothing of a place, and the place's own pods nothing outside; give the seconds.

    Args:
        where: the intruder's pod.
        timeout: seconds for the nodes to follow the policies.

    Raises:
        PolicyError: somebody still gets through.
    """
    begun = clock()
    while True:
        pods = targets(api.items(f"/api/v1/namespaces/{namespace}/pods"))
        if not pods:
            raise PolicyError(f"No pod of {namespace} has a port to try: are they running?")
        through = [pods[address] for address in reached(api, where, pods)]
        out = _leaves(api, namespace)
        if not through and not out:
            return clock() - begun
        if clock() - begun >= timeout:
            said = [*([f"a pod outside reaches {', '.join(through)}"] if through else [])]
            said += ["a pod of it reaches the API server"] if out else []
            raise PolicyError(
                f"The network policies of {namespace} are not in force after {timeout:g} s: {' and '.join(said)}; is "
                "a network plugin running that enforces NetworkPolicies?"
            )
        sleep(1)


def _leaves(api: Api, namespace: str) -> bool:
    inside = pod_exec.ready_container(api, namespace, "app=load", "load")
    said = pod_exec.run(api, inside, ["python", "-c", LEAVE, api_address(api)], EXEC_SECONDS, lambda _: None)
    if not said.startswith(("reached", "refused")):
        raise PolicyError(f"A pod of {namespace} could not try to leave it: it said {said[:80]!r}.")
    return said.startswith("reached")
