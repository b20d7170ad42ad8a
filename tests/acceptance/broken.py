"""What people do to a place: states from which `goto.yml` leads to a stage."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from tests.acceptance.room import Room

ISTIO = "networking.istio.io/v1"
SECURITY = "security.istio.io/v1"


class Hands:
    """kubectl in one namespace."""

    def __init__(self, room: Room, namespace: str) -> None:
        self.room, self.namespace = room, namespace

    def kubectl(self, *words: str, given: Any = None) -> str:
        text = json.dumps(given) if given is not None else None
        return self.room.kubectl("--namespace", self.namespace, *words, given=text)

    def get(self, *words: str) -> Any:
        return json.loads(self.kubectl("get", *words, "--output=json"))

    def patch(self, kind: str, name: str, change: Any, how: str = "merge") -> None:
        self.kubectl("patch", kind, name, f"--type={how}", f"--patch={json.dumps(change)}")

    def make(self, version: str, kind: str, name: str, spec: Any) -> None:
        item = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}
        self.kubectl("create", "--filename=-", given=item)

    def copy(self, deployment: str, name: str, replicas: int, **labels: str) -> None:
        """Make a Deployment of one's own like one that is there."""
        spec = self.get("deployment", deployment)["spec"]
        spec["replicas"] = replicas
        spec["template"]["metadata"]["labels"] = spec["selector"]["matchLabels"] = {"mine": name, **labels}
        self.make("apps/v1", "Deployment", name, spec)

    def pod(self, app: str) -> str:
        return str(self.get("pods", f"--selector=app={app}")["items"][0]["metadata"]["name"])

    def wait(self, *deployments: str) -> None:
        for name in deployments:
            self.kubectl("rollout", "status", f"deployment/{name}", "--timeout=60s")


def _all_deleted(hands: Hands) -> None:
    kinds = "deployments,services,networkpolicies,virtualservices,destinationrules,sidecars"
    hands.kubectl("delete", kinds, "--all", "--wait=false")


def _crashing(hands: Hands) -> None:
    add = {"op": "add", "path": "/spec/template/spec/containers/0/command", "value": ["false"]}
    for name in ("front-v03", "aleph-v01", "load"):
        hands.patch("deployment", name, [add], "json")


def _own_routes(hands: Hands) -> None:
    fault = {"abort": {"httpStatus": 503, "percentage": {"value": 100}}}
    route = [{"destination": {"host": "aleph"}}]
    hands.kubectl("delete", "virtualservice", "aleph", "--ignore-not-found")
    hands.make(ISTIO, "VirtualService", "mine", {"hosts": ["aleph"], "http": [{"fault": fault, "route": route}]})


def _spoilt_record(hands: Hands) -> None:
    hands.kubectl("annotate", "virtualservice", "aleph", "--overwrite", "workshop.istio-games/stage=party")
    hands.patch("virtualservice", "aleph", {"spec": {"http": [{"route": [{"destination": {"host": "nowhere"}}]}]}})


def _hog(hands: Hands) -> None:
    hands.copy("front-v03", "hog", 19, app="hog")
    hands.kubectl("delete", "pod", hands.pod("aleph"), hands.pod("mongo"), "--grace-period=1")


def _history(hands: Hands) -> None:
    """As many ReplicaSets as may be there, of a rollout that never ends."""
    hands.kubectl("set", "image", "deployment/aleph-v01", "aleph=127.0.0.1:1/none:1")
    while len(hands.get("replicasets")["items"]) < 300:
        hands.kubectl("set", "env", "deployment/aleph-v01", f"TRY={time.time()}")
    hands.kubectl("delete", "pod", hands.pod("mongo"), "--grace-period=1")


def _no_database(hands: Hands) -> None:
    hands.kubectl("delete", "persistentvolumeclaim", "mongo-data", "--wait=false")


def _closed(hands: Hands) -> None:
    hands.kubectl("delete", "networkpolicies", "--all")
    deny = {"podSelector": {}, "policyTypes": ["Egress", "Ingress"]}
    hands.make("networking.k8s.io/v1", "NetworkPolicy", "deny", deny)


def _forbidden(hands: Hands) -> None:
    hands.make(SECURITY, "AuthorizationPolicy", "deny-all", {})
    hands.make(SECURITY, "PeerAuthentication", "plain", {"mtls": {"mode": "DISABLE"}})


def _no_rights(hands: Hands) -> None:
    hands.kubectl("delete", "serviceaccount,role,rolebinding,resourcequota,limitrange", "--all")


def _narrow(hands: Hands) -> None:
    hands.kubectl("delete", "sidecars", "--all")
    hands.make(ISTIO, "Sidecar", "narrow", {"egress": [{"hosts": ["istio-system/*"]}]})


def _no_proxies(hands: Hands) -> None:
    hands.room.kubectl("label", "namespace", hands.namespace, "istio-injection-")
    hands.kubectl("delete", "pods", "--all", "--grace-period=1")


def _paused(hands: Hands) -> None:
    hands.kubectl("rollout", "pause", "deployment/beth-v01")
    hands.kubectl("set", "image", "deployment/beth-v01", "beth=127.0.0.1:1/none:1")


def _impostor(hands: Hands) -> None:
    hands.copy("front-v03", "aleph-v09", 2, app="aleph", version="v01")


def _relabelled(hands: Hands) -> None:
    hands.kubectl("label", "pod", hands.pod("aleph"), "version=v03", "--overwrite")


def _held(hands: Hands) -> None:
    lease = {"holderIdentity": "somebody", "leaseDurationSeconds": 15}
    hands.kubectl("delete", "lease", "workshop-stage", "--ignore-not-found")
    hands.make("coordination.k8s.io/v1", "Lease", "workshop-stage", lease)


def _other_subsets(hands: Hands) -> None:
    subsets = [{"name": "v01", "labels": {"version": "v99"}}]
    hands.kubectl("delete", "destinationrule", "aleph", "--ignore-not-found")
    hands.make(ISTIO, "DestinationRule", "aleph", {"host": "aleph", "subsets": subsets})


def _small(hands: Hands) -> None:
    limits = [{"type": "Container", "max": {"memory": "8Mi"}}]
    hands.make("v1", "LimitRange", "tiny", {"limits": limits})
    hands.kubectl("delete", "pods", "--all", "--grace-period=1")


BROKEN: dict[str, Callable[[Hands], Any]] = {
    "nothing was done to it": lambda hands: None,
    "all of it was deleted": _all_deleted,
    "scaled to 0": lambda hands: hands.kubectl("scale", "deployments", "--all", "--replicas=0"),
    "an image that is not there": lambda hands: hands.kubectl(
        "set", "image", "deployment/aleph-v01", "aleph=127.0.0.1:1/none:1"
    ),
    "containers that crash": _crashing,
    "a Service that selects nobody": lambda hands: hands.patch(
        "service", "aleph", {"spec": {"selector": {"app": "nobody"}}}
    ),
    "Services deleted": lambda hands: hands.kubectl("delete", "service", "aleph", "mongo"),
    "the student's own route": _own_routes,
    "a spoilt record and route": _spoilt_record,
    "subsets of nobody": _other_subsets,
    "a pod with another version's label": _relabelled,
    "a Deployment that answers for aleph": _impostor,
    "the quota eaten": _hog,
    "a history that has eaten the quota": _history,
    "the database's volume deleted": _no_database,
    "the load client deleted": lambda hands: hands.kubectl("delete", "deployment", "load"),
    "network policies that close it": _closed,
    "authorization that denies all": _forbidden,
    "no account, role, quota or limits": _no_rights,
    "a Sidecar that hides the services": _narrow,
    "pods without proxies": _no_proxies,
    "a rollout that is paused": _paused,
    "limits that no pod keeps to": _small,
    "somebody's Lease": _held,
    "routes deleted": lambda hands: hands.kubectl("delete", "virtualservices,destinationrules", "--all"),
}
