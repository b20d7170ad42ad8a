# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Try who reaches a Service and who is refused, from short-lived pods: what NetworkPolicies really do.

Each pod is a Job's: what a run that was killed has left ends by its deadline, goes by itself some minutes later, and
the next run removes it first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.events import Events
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import PREFIX, owner_labels
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.pods import trouble
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.waiting import (
    Look,
    Trouble,
    WaitError,
    Waiting,
)

REACHED, REFUSED = "reached", "refused"
SPEAK = ("tcp", "http")
LABEL = f"{PREFIX}connection-check"
# A check that nobody waits for any more ends after so long, and is gone after so much longer.
DEADLINE_SECONDS, LEFT_SECONDS = 180, 60
# A new pod is let in some seconds after its start, when the policies' ipsets know it.
PATIENT_TRIES, INTRUDER_TRIES = 30, 2
# An intruder waits for that first: it would be refused too early by the policies' way of working, whatever they say.
SETTLE_SECONDS = 10
# `nc ... -e` runs its program once connected, so that the exit code tells; no data is sent. It must stand last.
SCRIPT = """
connects() { nc -w 3 "${1%:*}" "${1##*:}" -e /bin/true 2>/dev/null; }
answers() { timeout 5 wget -q -O /dev/null "http://$1/healthz" 2>/dev/null; }
within() { # tries command...
  left=$1; shift
  until "$@"; do left=$((left - 1)); [ $left -gt 0 ] || return 1; sleep 1; done
}
sleep "$SETTLE_SECONDS"
for target in $TARGETS; do
  name=${target%%=*}; address=${target#*=}
  if ! within "$CONNECT_TRIES" connects "$address"; then result=$UNCONNECTED
  elif [ "$SPEAK" = tcp ] || within "$ANSWER_TRIES" answers "$address"; then result=reached
  else result=refused; fi
  echo "$name $result"
done
"""


class ConnectionCheckError(WorkshopError):
    """A connection is not as it must be, or could not be tried."""


@dataclass(frozen=True)
class Caller:
    """A pod that tries some targets (SERVICE:PORT of the application's namespace)."""

    name: str
    namespace: str
    labels: Mapping[str, str]
    targets: tuple[str, ...]
    expect: str
    speak: str = SPEAK[0]
    meshed: bool = False

    @property
    def who(self) -> str:
        """Name it for people."""
        labels = ",".join(f"{key}={value}" for key, value in self.labels.items())
        how = (" by its proxy" if self.meshed else " in plain text") if self.speak == "http" else ""
        what = f"labelled {labels}" if labels else "that is nobody's caller"
        return f"a pod in namespace {self.namespace} {what}{how}"


def job(caller: Caller, image: str, addresses: Mapping[str, str], room: str = "") -> dict[str, Any]:
    """Make the Job, whose pod is fit for a namespace that enforces the restricted Pod Security Standard."""
    targets = " ".join(f"{target}={addresses[target]}" for target in caller.targets)
    tries = PATIENT_TRIES if caller.expect == REACHED else INTRUDER_TRIES
    # Who is to be refused an answer must be let in to ask for it.
    connect_tries = PATIENT_TRIES if caller.speak == "http" else tries
    environment = {
        "SETTLE_SECONDS": SETTLE_SECONDS if caller.expect == REFUSED and caller.speak == "tcp" else 0,
        "TARGETS": targets,
        "SPEAK": caller.speak,
        "CONNECT_TRIES": connect_tries,
        "ANSWER_TRIES": tries,
        "UNCONNECTED": "not connected" if caller.speak == "http" else REFUSED,
    }
    template = {
        "metadata": {
            "labels": {**caller.labels, LABEL: caller.name, "sidecar.istio.io/inject": str(caller.meshed).lower()}
        },
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            # Never ready, so that a Service which selects a caller's labels sends it no traffic.
            "readinessGates": [{"conditionType": f"{PREFIX}takes-no-traffic"}],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65534,
                "runAsGroup": 65534,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "check",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["/bin/sh", "-c", SCRIPT],
                    "env": [{"name": name, "value": str(value)} for name, value in environment.items()],
                    "resources": {
                        "requests": {"cpu": "10m", "memory": "16Mi"},
                        "limits": {"cpu": "500m", "memory": "64Mi"},
                    },
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "generateName": f"check-{caller.name}-",
            "namespace": caller.namespace,
            "labels": {LABEL: caller.name, **owner_labels(room)},
        },
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": DEADLINE_SECONDS,
            "ttlSecondsAfterFinished": LEFT_SECONDS,
            "template": template,
        },
    }


def judge(caller: Caller, log: str) -> list[str]:
    """Compare what a pod saw with what it must see; a sentence for each difference."""
    seen = dict(line.split(" ", 1) for line in log.splitlines() if " " in line)
    found = []
    for target in caller.targets:
        result = seen.get(target, "not tried")
        if result != caller.expect:
            remedy = (
                "do the NetworkPolicies list it as a caller, and is the service running?"
                if caller.expect == REACHED
                else "is mTLS strict (kubectl get peerauthentication --all-namespaces)?"
                if caller.speak == "http"
                else "is a network plugin running that enforces NetworkPolicies?"
            )
            found.append(
                f"{caller.who} must be {_passive(caller.expect, target)}, but was {_passive(result, target)}: {remedy}"
            )
    return found


def _passive(result: str, target: str) -> str:
    return {REACHED: f"let through to {target}", REFUSED: f"refused by {target}"}.get(result, f"{result} at {target}")


@dataclass
class _Check:
    """A caller's Job, and what its pod saw once it has ended."""

    caller: Caller
    namespace: str
    name: str
    log: str | None = None

    @property
    def title(self) -> str:
        """Name it in progress."""
        return f"{self.caller.name} in {self.namespace}"


class Connections:
    """Runs callers' pods and reads what they saw."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        image: str,
        say: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        room: str = "",
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._image = image
        self._say = say
        self._waiting = Waiting(api, say, sleep, clock)
        self._room = room

    def check(self, callers: Sequence[Caller], timeout: float) -> dict[str, str]:
        """Give the result by "caller -> target"; raise ConnectionCheckError for the first that is wrong.

        Args:
            timeout: seconds for all of them, which run side by side.
        """
        addresses = self._addresses({target for caller in callers for target in caller.targets})
        self._remove_leftovers(callers)
        checks: list[_Check] = []
        try:
            for caller in callers:
                made = self._api.create(
                    _path("apis/batch/v1", caller.namespace, "jobs"), job(caller, self._image, addresses, self._room)
                )
                checks.append(_Check(caller, caller.namespace, made["metadata"]["name"]))
            self._waiting.until(lambda: self._look(checks), timeout)
        except WaitError as error:
            who = next(check.caller.who for check in checks if check.title == error.name)
            why = error.trouble.sentence if error.trouble else f"it is {error.look.state}" if error.look else ""
            late = f" within {timeout:g} s" if error.late else ""
            raise ConnectionCheckError(f"{who} could not try{late}: {why}.") from error
        finally:
            for check in checks:
                self._remove(check.namespace, check.name)
        wrong = [sentence for check in checks for sentence in judge(check.caller, check.log or "")]
        if wrong:
            raise ConnectionCheckError(" ".join(sentence[0].upper() + sentence[1:] for sentence in wrong))
        results = {}
        for check in checks:
            caller = check.caller
            for target in caller.targets:
                results[f"{caller.name} in {caller.namespace} -> {target}"] = caller.expect
                self._say(f"{caller.who} is {_passive(caller.expect, target)}, as it must be")
        return results

    def _remove_leftovers(self, callers: Sequence[Caller]) -> None:
        """Remove what killed runs have left: pods with a caller's labels would be taken for it."""
        for namespace in sorted({caller.namespace for caller in callers}):
            for item in self._api.items(_path("apis/batch/v1", namespace, "jobs"), labelSelector=LABEL):
                self._remove(namespace, item["metadata"]["name"])

    def _remove(self, namespace: str, name: str) -> None:
        """Delete a Job with its pod; one that cannot be deleted now keeps no other, and goes by itself."""
        try:
            self._api.delete(_path("apis/batch/v1", namespace, "jobs", name))
        except KubernetesError as error:
            self._say(
                f"Job {namespace}/{name} could not be deleted ({error}): it goes by itself within "
                f"{DEADLINE_SECONDS + LEFT_SECONDS} s"
            )

    def _addresses(self, targets: set[str]) -> dict[str, str]:
        """Look the Services' addresses up: what is tried is the network, not the DNS."""
        addresses = {}
        for target in sorted(targets):
            name, _, port = target.partition(":")
            service = self._api.find(f"/api/v1/namespaces/{self._namespace}/services/{name}")
            if service is None:
                raise ConnectionCheckError(f"There is no Service {name} in namespace {self._namespace}.")
            addresses[target] = f"{service['spec']['clusterIP']}:{port}"
        return addresses

    def _look(self, checks: Sequence[_Check]) -> dict[str, Look]:
        return {check.title: self._look_at(check) for check in checks}

    def _look_at(self, check: _Check) -> Look:
        if check.log is not None:
            return Look(True, "done")
        pods = self._api.items(
            _path("api/v1", check.namespace, "pods"), labelSelector=f"batch.kubernetes.io/job-name={check.name}"
        )
        if not pods:
            return Look(False, "waiting for its pod", self._no_pod(check))
        pod = pods[-1]
        if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            check.log = self._api.text(_path("api/v1", check.namespace, "pods", pod["metadata"]["name"]) + "/log")
            return Look(True, "done")
        return Look(False, "trying", trouble(pod, Events.read(self._api, check.namespace)))

    def _no_pod(self, check: _Check) -> Trouble | None:
        found = self._api.find(_path("apis/batch/v1", check.namespace, "jobs", check.name))
        if found is None:
            raise ConnectionCheckError(
                f"Job {check.namespace}/{check.name} was deleted while it ran: does another check run? Run this again."
            )
        return Events.read(self._api, check.namespace).trouble("Job", found)


def _path(api: str, namespace: str, kind: str, name: str = "") -> str:
    return f"/{api}/namespaces/{namespace}/{kind}" + (f"/{name}" if name else "")
