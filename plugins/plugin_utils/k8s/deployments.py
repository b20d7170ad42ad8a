# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Wait until Deployments are rolled out, and say why one is not instead of only timing out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.pods import Trouble, not_ready, trouble

POLL_SECONDS = 1.0
# What may mend itself (an image pull during a registry's restart, a first crash) gets this long.
PATIENCE_SECONDS = 30.0
LOG_LINES = 15


class RolloutError(WorkshopError):
    """A Deployment did not come up; the message says why."""


@dataclass(frozen=True)
class Progress:
    """How far a Deployment's rollout is."""

    done: bool
    text: str


def progress(deployment: Mapping[str, Any]) -> Progress:
    """Judge a Deployment as `kubectl rollout status` does: new pods available, old ones gone."""
    spec, status = deployment.get("spec") or {}, deployment.get("status") or {}
    wanted = spec.get("replicas", 1)
    updated, total = status.get("updatedReplicas", 0), status.get("replicas", 0)
    available = status.get("availableReplicas", 0)
    if status.get("observedGeneration", 0) < deployment["metadata"].get("generation", 0):
        return Progress(False, "not seen by its controller yet")
    if updated < wanted:
        return Progress(False, f"{updated} of {wanted} new pods made")
    if total > updated:
        return Progress(False, f"{total - updated} old pods still there")
    if available < updated:
        return Progress(False, f"{available} of {updated} new pods ready")
    return Progress(True, f"{available} of {wanted} ready")


class Rollouts:
    """Waits for Deployments of one namespace."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        say: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._say = say
        self._sleep = sleep
        self._clock = clock

    def wait(self, names: Sequence[str], timeout: float) -> None:
        """Return when all are rolled out; raise RolloutError for the first that will not be."""
        started = self._clock()
        said: dict[str, str] = {}
        waiting = list(names)
        while True:
            found = {item["metadata"]["name"]: item for item in self._list("apis/apps/v1", "deployments")}
            for name in list(waiting):
                if name not in found:
                    raise RolloutError(f"There is no Deployment {name} in namespace {self._namespace}.")
                state = progress(found[name])
                if state.done:
                    waiting.remove(name)
                if not state.done or name in said:
                    self._say_once(said, name, state.text)
            if not waiting:
                return
            elapsed = self._clock() - started
            for name in waiting:
                self._judge(found[name], elapsed, timeout)
            self._sleep(POLL_SECONDS)

    def _say_once(self, said: dict[str, str], name: str, text: str) -> None:
        if said.get(name) != text:
            said[name] = text
            self._say(f"{name}: {text}")

    def _list(self, api: str, kind: str, **query: str) -> list[dict[str, Any]]:
        prefix = "/" + api
        return self._api.items(f"{prefix}/namespaces/{self._namespace}/{kind}", **query)

    def _judge(self, deployment: Mapping[str, Any], elapsed: float, timeout: float) -> None:
        """Raise when this Deployment is in trouble that lasts, or out of time."""
        name = deployment["metadata"]["name"]
        late = elapsed > timeout
        for pod in self._newest_pods(deployment):
            found = trouble(pod) or (not_ready(pod) if late else None)
            if found and (found.hopeless or late or elapsed > PATIENCE_SECONDS):
                raise RolloutError(self._explain(name, pod["metadata"]["name"], found))
        refused = next(
            (
                condition.get("message", "")
                for condition in (deployment.get("status") or {}).get("conditions") or []
                if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True"
            ),
            None,
        )
        if refused is not None:
            raise RolloutError(f"Deployment {name} in namespace {self._namespace} may not make its pods: {refused}")
        if late:
            raise RolloutError(
                f"Deployment {name} in namespace {self._namespace} was not ready after {timeout:g} s: "
                f"{progress(deployment).text}."
            )

    def _newest_pods(self, deployment: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The pods of the Deployment's newest ReplicaSet: an old one's troubles are what is being replaced."""
        labels = deployment["spec"]["selector"]["matchLabels"]
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        uid = deployment["metadata"]["uid"]
        sets = [
            item for item in self._list("apis/apps/v1", "replicasets", labelSelector=selector) if _owner(item) == uid
        ]
        if not sets:
            return []
        newest = max(
            sets, key=lambda item: int(item["metadata"]["annotations"].get("deployment.kubernetes.io/revision", 0))
        )
        pods = self._list("api/v1", "pods", labelSelector=selector)
        return [pod for pod in pods if _owner(pod) == newest["metadata"]["uid"]]

    def _explain(self, name: str, pod: str, found: Trouble) -> str:
        sentence = f"Deployment {name} in namespace {self._namespace} does not come up: {found.sentence} (pod {pod})."
        log = self._log(pod, found) if found.container else ""
        return f"{sentence} The end of its log:\n{log}" if log.strip() else sentence

    def _log(self, pod: str, found: Trouble) -> str:
        path = f"/api/v1/namespaces/{self._namespace}/pods/{pod}/log"
        query = {"container": str(found.container), "tailLines": str(LOG_LINES)}
        for previous in [True, False] if found.previous else [False]:
            try:
                return self._api.text(path, **query, previous=str(previous).lower())
            except KubernetesError:
                continue  # no such log (any more)
        return ""


def _owner(item: Mapping[str, Any]) -> str | None:
    return next(
        (owner["uid"] for owner in item["metadata"].get("ownerReferences") or [] if owner.get("controller")), None
    )
