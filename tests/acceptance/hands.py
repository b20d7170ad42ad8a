"""What people's hands can do to a room."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from tests.acceptance.observer import NAMESPACE, Observer
from tests.acceptance.play import Running
from tests.acceptance.room import Room, wait_for

STAGING = f"--namespace={NAMESPACE}"
WORKER = "worker-1"


@dataclass
class Hand:
    """Who does it, to which service, and the stage that is being played meanwhile."""

    room: Room
    observer: Observer
    random: Random
    service: str
    running: Running | None = None

    def kubectl(self, *arguments: str, check: bool = True) -> str:
        """In the application's namespace."""
        return self.room.kubectl(STAGING, *arguments, check=check)

    def deployment(self) -> str:
        """One of the service's."""
        versions = sorted(self.observer.deployments(self.service))
        return f"{self.service}-{self.random.choice(versions)}" if versions else f"{self.service}-v01"

    def pods(self, app: str) -> list[str]:
        """Names of an app's pods."""
        return [pod["metadata"]["name"] for pod in self.observer.pods(app)]

    def create(self, kind: str, name: str, spec: Mapping[str, Any], api: str, namespace: str = NAMESPACE) -> Undo:
        """Make somebody's object, and give what takes it away."""
        metadata = {"name": name, "namespace": namespace}
        self.room.create({"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec})
        return lambda: self.room.kubectl("delete", f"--namespace={namespace}", kind, name, "--ignore-not-found")

    def edit_routes(self, change: Callable[[list[dict[str, Any]]], object]) -> None:
        """Edit the service's VirtualService, as `kubectl edit` does."""
        http = self.observer.virtual_service(self.service)["spec"]["http"]
        change(http)
        patch = json.dumps({"spec": {"http": http}})
        self.kubectl("patch", f"virtualservice/{self.service}", "--type=merge", f"--patch={patch}")


Undo = Callable[[], object]
NETWORKING = "networking.istio.io/v1"


def scale(replicas: int) -> Callable[[Hand], Undo]:
    def do(hand: Hand) -> Undo:
        name = hand.deployment()
        hand.kubectl("scale", f"deployment/{name}", f"--replicas={replicas}")
        return lambda: hand.kubectl("scale", f"deployment/{name}", "--replicas=1", check=False)

    return do


def delete(*kinds: str) -> Callable[[Hand], None]:
    def do(hand: Hand) -> None:
        for kind in kinds:
            name = hand.deployment() if kind == "deployment" else hand.service
            hand.kubectl("delete", kind, name, "--ignore-not-found", "--wait=false")

    return do


def delete_pods(app: str = "", *arguments: str) -> Callable[[Hand], None]:
    def do(hand: Hand) -> None:
        names = hand.pods(app or hand.service)
        chosen = names if app else names[:1]
        hand.kubectl("delete", "pod", *chosen, "--ignore-not-found", "--wait=false", *arguments)

    return do


def restart(target: str = "") -> Callable[[Hand], None]:
    def do(hand: Hand) -> None:
        hand.kubectl("rollout", "restart", f"deployment/{target or hand.deployment()}")

    return do


def run(*words: str) -> Callable[[Hand], None]:
    """A kubectl command; {service} and {deployment} are the hand's."""

    def do(hand: Hand) -> None:
        hand.kubectl(*(word.format(service=hand.service, deployment=hand.deployment()) for word in words), check=False)

    return do


def edit_a_weight(hand: Hand) -> None:
    def change(http: list[dict[str, Any]]) -> None:
        first = http[-1]["route"][0]["destination"]
        other = {**first, "subset": "v03" if first.get("subset") == "v01" else "v01"}
        http[-1]["route"] = [{"destination": first, "weight": 100}, {"destination": other, "weight": 0}]

    hand.edit_routes(change)


def edit_and_put_back(hand: Hand) -> None:
    hand.edit_routes(lambda http: http[-1].update(timeout="7s"))
    hand.edit_routes(lambda http: http[-1].pop("timeout"))


def redirect(hand: Hand) -> None:
    old = {"match": [{"uri": {"prefix": "/old"}}], "redirect": {"uri": "/new"}}
    hand.edit_routes(lambda http: http.insert(0, old))


def fault(hand: Hand) -> None:
    delay = {"delay": {"fixedDelay": "0.1s", "percentage": {"value": 100}}}
    hand.edit_routes(lambda http: http[-1].update(fault=delay))


def foreign_label_on_a_pod(hand: Hand) -> Undo:
    names = hand.pods(hand.service)[:1]
    for name in names:
        hand.kubectl("label", "pod", name, "version=v99", "--overwrite")
    return lambda: hand.kubectl("delete", "pod", *names, "--ignore-not-found", "--wait=false")


def image(tag: str) -> Callable[[Hand], None]:
    def do(hand: Hand) -> None:
        repository = f"127.0.0.1:{hand.room.registry_port}/istio-games-{hand.service}"
        hand.kubectl("set", "image", f"deployment/{hand.deployment()}", f"{hand.service}={repository}:{tag}")

    return do


def overlapping_virtual_service(hand: Hand) -> Undo:
    spec = {"hosts": [hand.service], "http": [{"route": [{"destination": {"host": hand.service}}]}]}
    return hand.create("VirtualService", "mine", spec, NETWORKING)


def private_virtual_service(hand: Hand) -> Undo:
    host = f"{hand.service}.{NAMESPACE}.svc.cluster.local"
    spec = {"hosts": [host], "exportTo": ["."], "http": [{"route": [{"destination": {"host": host}}]}]}
    return hand.create("VirtualService", "private", spec, NETWORKING, "default")


def wildcard_rule(hand: Hand) -> Undo:
    spec = {"host": "*.local", "trafficPolicy": {"connectionPool": {"tcp": {"maxConnections": 1000}}}}
    return hand.create("DestinationRule", "default", spec, NETWORKING, "istio-system")


def autoscaler(hand: Hand) -> Undo:
    name = hand.deployment()
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
    spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 3, "metrics": [cpu]}
    take_away = hand.create("HorizontalPodAutoscaler", "mine", spec, "autoscaling/v2")

    def undo() -> None:
        take_away()
        hand.kubectl("scale", f"deployment/{name}", "--replicas=1", check=False)

    return undo


def no_pods_allowed(hand: Hand) -> Undo:
    return hand.create("ResourceQuota", "mine", {"hard": {"pods": "0"}}, "v1")


def cordon(hand: Hand) -> Undo:
    hand.room.kubectl("cordon", WORKER)
    return lambda: hand.room.kubectl("uncordon", WORKER)


def drain(hand: Hand) -> Undo:
    undo = cordon(hand)
    away = [
        pod["metadata"]["name"]
        for pod in hand.observer.pods()
        if pod["spec"].get("nodeName") == WORKER and pod["metadata"]["labels"].get("app") != "mongo"
    ]
    if away:  # `kubectl drain` without waiting, and without what a volume binds to the node
        hand.kubectl("delete", "pod", *away, "--wait=false")
    return undo


def no_injection(hand: Hand) -> Undo:
    hand.room.kubectl("label", "namespace", NAMESPACE, "istio-injection-")

    def undo() -> None:
        hand.room.kubectl("label", "namespace", NAMESPACE, "istio-injection=enabled", "--overwrite")
        bare = [
            pod["metadata"]["name"]
            for pod in hand.observer.pods()
            if "sidecar.istio.io/status" not in (pod["metadata"].get("annotations") or {})
        ]
        if bare:
            hand.kubectl("delete", "pod", *bare, "--wait=false", "--ignore-not-found")

    return undo


def delete_policies(hand: Hand) -> Undo:
    saved = hand.kubectl("get", "peerauthentications", "--output=json")
    hand.kubectl("delete", "peerauthentications", "--all")

    def undo() -> None:
        items = json.loads(saved)["items"]
        for item in items:
            for name in ("resourceVersion", "uid", "creationTimestamp", "generation", "managedFields"):
                item["metadata"].pop(name, None)
        listed = {"apiVersion": "v1", "kind": "List", "items": items}
        command = ("apply", "--server-side", "--field-manager=istio-workshop", "--filename=-")
        hand.room.kubectl(*command, given=json.dumps(listed))

    return undo


def control_plane_away(hand: Hand) -> None:
    """istiod is scaled to 0 for some seconds: its webhooks do not answer."""
    istiod = ("scale", "--namespace=istio-system", "deployment/istiod")
    hand.room.kubectl(*istiod, "--replicas=0")
    time.sleep(6)
    hand.room.kubectl(*istiod, "--replicas=1")


def kill_istiod(hand: Hand) -> None:
    selector = ("--namespace=istio-system", "--selector=app=istiod")
    hand.room.kubectl("delete", "pod", *selector, "--grace-period=0", "--force", "--wait=false")


def touch(hand: Hand) -> None:
    """Somebody's controller writes an annotation again and again: another resourceVersion each time."""
    for number in range(8):
        for kind in ("virtualservice", "destinationrule"):
            hand.kubectl("annotate", kind, hand.service, f"example.com/seen={number}", "--overwrite", check=False)
        time.sleep(0.2)


def second_play(hand: Hand) -> None:
    hand.room.play("playbooks/rollback.yml", "-e", f"service={hand.service}", timeout=180)


def end_by(number: int) -> Callable[[Hand], None]:
    def do(hand: Hand) -> None:
        assert hand.running
        hand.running.signal(number)

    return do


def freeze_the_worker(hand: Hand) -> None:
    """A laptop's lid: everything on the worker stands still for some seconds."""
    for what, seconds in (("pause", 5), ("unpause", 0)):
        subprocess.run(["podman", what, hand.room.node(WORKER)], check=True, capture_output=True)
        time.sleep(seconds)


def settle(hand: Hand) -> None:
    """Wait until what is not a stage's business stands again."""
    for app in ("front", "load"):
        wait_for(partial(lambda app: all(hand.observer.ready(app).values()), app), 90)
    hand.room.kubectl("rollout", "status", "--namespace=istio-system", "deployment/istiod", "--timeout=90s")
