# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Try who reaches a Service and who is refused, from short-lived pods: what NetworkPolicies really do."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.pods import trouble

REACHED, REFUSED = "reached", "refused"
SPEAK = ("tcp", "http")
LABEL = "workshop.istio-games/connection-check"
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


def pod(caller: Caller, image: str, addresses: Mapping[str, str]) -> dict[str, Any]:
    """Make the pod, fit for a namespace that enforces the restricted Pod Security Standard."""
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
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"check-{caller.name}-",
            "namespace": caller.namespace,
            "labels": {**caller.labels, LABEL: caller.name, "sidecar.istio.io/inject": str(caller.meshed).lower()},
        },
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": 180,
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            # Never ready, so that a Service which selects a caller's labels sends it no traffic.
            "readinessGates": [{"conditionType": "workshop.istio-games/takes-no-traffic"}],
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


class Connections:
    """Runs callers' pods and reads what they saw."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        image: str,
        say: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._image = image
        self._say = say
        self._sleep = sleep

    def check(self, callers: Sequence[Caller], timeout: float) -> dict[str, str]:
        """Give the result by "caller -> target"; raise ConnectionCheckError for the first that is wrong."""
        addresses = self._addresses({target for caller in callers for target in caller.targets})
        made: list[tuple[Caller, str]] = []
        try:
            for caller in callers:
                created = self._api.create(
                    f"/api/v1/namespaces/{caller.namespace}/pods", pod(caller, self._image, addresses)
                )
                made.append((caller, f"/api/v1/namespaces/{caller.namespace}/pods/{created['metadata']['name']}"))
            logs = [(caller, self._finished_log(caller, path, timeout)) for caller, path in made]
        finally:
            for _, path in made:
                self._api.delete(path, grace_seconds=0)
        wrong = [sentence for caller, log in logs for sentence in judge(caller, log)]
        if wrong:
            raise ConnectionCheckError(" ".join(sentence[0].upper() + sentence[1:] for sentence in wrong))
        results = {}
        for caller, _ in logs:
            for target in caller.targets:
                results[f"{caller.name} in {caller.namespace} -> {target}"] = caller.expect
                self._say(f"{caller.who} is {_passive(caller.expect, target)}, as it must be")
        return results

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

    def _finished_log(self, caller: Caller, path: str, timeout: float) -> str:
        waited = 0.0
        while waited < timeout:
            current = self._api.get(path)
            if (current.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
                return self._api.text(path + "/log")
            found = trouble(current)
            if found and (found.hopeless or waited > 30):
                raise ConnectionCheckError(f"{caller.who} could not run: {found.sentence}.")
            self._sleep(0.5)
            waited += 0.5
        raise ConnectionCheckError(f"{caller.who} was not done after {timeout:g} s.")
