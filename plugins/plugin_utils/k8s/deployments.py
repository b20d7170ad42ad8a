# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Wait until Deployments are rolled out, and say why one is not instead of only timing out."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.events import Events, refused
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import PREFIX
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.pods import not_ready, trouble
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.waiting import (
    HOPELESS,
    Look,
    Trouble,
    WaitError,
    Waiting,
)

LOG_LINES = 15
# A ReplicaSet whose pods were refused tries again ever more seldom, in a quarter of an hour at last; while we wait,
# so often.
RETRY_SECONDS = 5.0
TRIED = f"{PREFIX}tried"
# What a Deployment ran before, as many as Kubernetes keeps by itself (revisionHistoryLimit).
HISTORY = 10
SCALED_TO_0 = "it is scaled to 0, so that no pod of it runs"


class RolloutError(WorkshopError):
    """A Deployment did not come up; the message says why."""


@dataclass(frozen=True)
class Progress:
    """How far a Deployment's rollout is."""

    done: bool
    text: str


def progress(deployment: Mapping[str, Any]) -> Progress:
    """Judge a Deployment as `kubectl rollout status` does: new pods available, old ones gone; 0 of 0 is not ready."""
    spec, status = deployment.get("spec") or {}, deployment.get("status") or {}
    wanted = spec.get("replicas", 1)
    updated, total = status.get("updatedReplicas", 0), status.get("replicas", 0)
    available = status.get("availableReplicas", 0)
    if status.get("observedGeneration", 0) < deployment["metadata"].get("generation", 0):
        return Progress(False, "not seen by its controller yet")
    if not wanted:
        return Progress(False, SCALED_TO_0)
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
        self._waiting = Waiting(api, say, sleep, clock)
        self._clock = clock
        self._tried: dict[str, float] = {}

    def wait(self, names: Sequence[str], timeout: float) -> None:
        """Return when all are rolled out; raise RolloutError for the first that will not be."""
        done: set[str] = set()
        try:
            self._waiting.until(lambda: self._look(names, done), timeout)
        except WaitError as error:
            raise RolloutError(self._explain(error, timeout)) from error

    def _look(self, names: Sequence[str], done: set[str]) -> dict[str, Look]:
        """Judge all; who is done once stays so, while others are waited for."""
        found = {item["metadata"]["name"]: item for item in self._list("apis/apps/v1", "deployments")}
        missing = next((name for name in names if name not in found and name not in done), None)
        if missing:
            raise RolloutError(f"There is no Deployment {missing} in namespace {self._namespace}.")
        states = {name: progress(found[name]) for name in names if name in found}
        done |= {name for name, state in states.items() if state.done}
        events = Events() if done >= set(names) else Events.read(self._api, self._namespace)
        return {
            name: Look(name in done, state.text, None if name in done else self._trouble(found[name], events))
            for name, state in states.items()
        }

    def _trouble(self, deployment: Mapping[str, Any], events: Events) -> Trouble | None:
        """Say what keeps a Deployment from being rolled out: its new pods' trouble, or why there are none."""
        if not deployment["spec"].get("replicas", 1):
            return Trouble(SCALED_TO_0, HOPELESS)
        if deployment["spec"].get("paused") and not _is_newest(deployment):
            resume = f"kubectl rollout resume deployment/{deployment['metadata']['name']} --namespace={self._namespace}"
            return Trouble(f"it is paused; {resume} lets it go on", reason="Paused")
        newest = self._newest_set(deployment)
        if newest and _refusal(newest) is not None:
            self._try_again(newest["metadata"]["name"])
        pods = self._pods_of(deployment, newest) if newest else []
        found = [each for pod in pods if (each := trouble(pod, events))]
        if found:
            # What is hopeless ends the wait, whatever else there is.
            return min(found, key=lambda each: each.patience)
        said = _refusal(deployment)
        if said is not None:
            return refused("its ReplicaSet", "FailedCreate", said)
        if newest and len(pods) < deployment["spec"].get("replicas", 1):
            return events.trouble("ReplicaSet", newest)
        return next((each for pod in pods if (each := not_ready(pod))), None)

    def _try_again(self, name: str) -> None:
        """Have a ReplicaSet try now what was refused: its controller looks at each that is changed."""
        if self._clock() - self._tried.get(name, -RETRY_SECONDS) < RETRY_SECONDS:
            return
        self._tried[name] = self._clock()
        path = f"/apis/apps/v1/namespaces/{self._namespace}/replicasets/{name}"
        with contextlib.suppress(KubernetesError):  # it goes on by itself, if later
            self._api.merge(path, {"metadata": {"annotations": {TRIED: f"{time.time():.0f}"}}})

    def _list(self, api: str, kind: str, **query: str) -> list[dict[str, Any]]:
        return self._api.items(f"/{api}/namespaces/{self._namespace}/{kind}", **query)

    def _newest_set(self, deployment: Mapping[str, Any]) -> dict[str, Any] | None:
        """The Deployment's newest ReplicaSet: an old one's troubles are what is being replaced."""
        uid = deployment["metadata"]["uid"]
        sets = self._list("apis/apps/v1", "replicasets", labelSelector=_selector(deployment))
        return max((item for item in sets if _owner(item) == uid), key=_revision, default=None)

    def _pods_of(self, deployment: Mapping[str, Any], newest: Mapping[str, Any]) -> list[dict[str, Any]]:
        pods = self._list("api/v1", "pods", labelSelector=_selector(deployment))
        return [pod for pod in pods if _owner(pod) == newest["metadata"]["uid"]]

    def _explain(self, error: WaitError, timeout: float) -> str:
        """Say why a Deployment is not rolled out, with the end of its log where that tells more."""
        what = f"Deployment {error.name} in namespace {self._namespace}"
        found = error.trouble
        pod = found.about.removeprefix("pod ") if found and found.about.startswith("pod ") else ""
        if found is None or error.look is None:
            state = error.look.state if error.look else "it could not be looked at"
            return f"{what} was not ready after {timeout:g} s: {found.sentence if found else state}."
        if not pod and error.late:
            return f"{what} was not ready after {timeout:g} s: {error.look.state}: {found.sentence}."
        if not pod:
            return f"{what} may not make its pods: {found.sentence}."
        late = f" within {timeout:g} s" if error.late else ""
        sentence = f"{what} does not come up{late}: {found.sentence} ({found.about})."
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


def forget_history(api: Api, namespace: str) -> None:
    """Delete ReplicaSets of before, but for the last HISTORY of a Deployment.

    Their controller does it only for a Deployment that is complete: until then they may use up a quota.
    """
    path = f"/apis/apps/v1/namespaces/{namespace}/replicasets"
    by_owner: dict[str, list[dict[str, Any]]] = {}
    for item in api.items(path):
        if owner := _owner(item):
            by_owner.setdefault(owner, []).append(item)
    for sets in by_owner.values():
        for item in sorted(sets, key=_revision)[: -HISTORY - 1]:
            if not item["spec"].get("replicas", 1) and not (item.get("status") or {}).get("replicas", 0):
                api.delete(f"{path}/{item['metadata']['name']}")


def _refusal(item: Mapping[str, Any]) -> str | None:
    """Give the words with which a Deployment or a ReplicaSet was not allowed to make its pods; None if it was."""
    for condition in (item.get("status") or {}).get("conditions") or []:
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return str(condition.get("message") or "")
    return None


def _is_newest(deployment: Mapping[str, Any]) -> bool:
    """Tell whether all of a Deployment's pods are made from its present template."""
    updated = (deployment.get("status") or {}).get("updatedReplicas", 0)
    return bool(updated >= deployment["spec"].get("replicas", 1))


def _owner(item: Mapping[str, Any]) -> str | None:
    return next(
        (owner["uid"] for owner in item["metadata"].get("ownerReferences") or [] if owner.get("controller")), None
    )


def _selector(deployment: Mapping[str, Any]) -> str:
    return ",".join(f"{key}={value}" for key, value in deployment["spec"]["selector"]["matchLabels"].items())


def _revision(replica_set: Mapping[str, Any]) -> int:
    return int((replica_set["metadata"].get("annotations") or {}).get("deployment.kubernetes.io/revision", 0))
