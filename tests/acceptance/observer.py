"""What the cluster itself says of stages: read past the playbooks, with deadlines of its own."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

NAMESPACE = "staging"
SERVICES = ("aleph", "beth")
OURS = "workshop.istio-games/"
ISTIO = "/apis/networking.istio.io/v1"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/workshop-stage"

Item = Mapping[str, Any]


class MissingError(LookupError):
    """The API server knows no such object."""


class Api:
    """GET at a room's API server, with the kubeconfig's certificates."""

    def __init__(self, kubeconfig: Path, seconds: float = 10) -> None:
        read = yaml.safe_load(kubeconfig.read_text())
        cluster, user = read["clusters"][0]["cluster"], read["users"][0]["user"]
        address = urlsplit(cluster["server"])
        self._host, self._port, self._seconds = str(address.hostname), address.port, seconds
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._context = ssl.create_default_context(cadata=authority)
        with tempfile.NamedTemporaryFile() as pair:
            for name in ("client-certificate-data", "client-key-data"):
                pair.write(base64.b64decode(user[name]))
            pair.flush()
            self._context.load_cert_chain(pair.name)

    def get(self, path: str) -> Any:
        """One object; raises MissingError, or an OSError when there is no other good answer."""
        connection = http.client.HTTPSConnection(
            self._host, self._port, timeout=self._seconds, context=self._context
        )  # fmt: skip
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()
        if answer.status == 404:
            raise MissingError(path)
        if answer.status != 200:
            raise OSError(f"{path}: {answer.status} {body[:200].decode(errors='replace')}")
        return json.loads(body)

    def items(self, path: str) -> list[dict[str, Any]]:
        """A list's objects."""
        found: list[dict[str, Any]] = self.get(path)["items"]
        return found


@dataclass(frozen=True)
class Record:
    """What a VirtualService's annotations say of its service's stage."""

    stage: str = ""
    stable: str = ""
    candidate: str = ""
    previous: str = ""
    weight: int | None = None


class Observer:
    """The application's stages in one room."""

    def __init__(self, kubeconfig: Path) -> None:
        self.api = Api(kubeconfig)

    def virtual_service(self, service: str) -> dict[str, Any]:
        """The one of our name; raises MissingError."""
        found: dict[str, Any] = self.api.get(f"{ISTIO}/namespaces/{NAMESPACE}/virtualservices/{service}")
        return found

    def routing(self) -> list[dict[str, Any]]:
        """Every VirtualService and DestinationRule of the cluster."""
        return [item for kind in ("virtualservices", "destinationrules") for item in self.api.items(f"{ISTIO}/{kind}")]

    def record(self, service: str) -> Record:
        """What is recorded of its stage; empty where nothing is."""
        try:
            annotations = self.virtual_service(service)["metadata"].get("annotations") or {}
        except MissingError:
            return Record()
        values = {name.removeprefix(OURS): value for name, value in annotations.items() if name.startswith(OURS)}
        weight = values.get("weight", "")
        return Record(
            stage=values.get("stage", ""),
            stable=values.get("stable", ""),
            candidate=values.get("candidate", ""),
            previous=values.get("previous", ""),
            weight=int(weight) if weight.isdigit() else None,
        )

    def shares(self, service: str) -> dict[str, int]:
        """Percent of everybody's requests by version label, as the VirtualService says; empty without one."""
        try:
            routes = self.virtual_service(service)["spec"]["http"]
        except MissingError:
            return {}
        everybody = next((route for route in routes if route.get("name") == "everybody"), routes[-1])
        found = {str(to["destination"].get("subset")): int(to.get("weight", 100)) for to in everybody.get("route", [])}
        return {subset: weight for subset, weight in found.items() if weight}

    def deployments(self, service: str) -> dict[str, dict[str, Any]]:
        """Its Deployments, by version label."""
        listed = self.api.items(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments?labelSelector=app%3D{service}")
        return {item["metadata"]["labels"].get("version", ""): item for item in listed}

    def ready(self, service: str) -> dict[str, int]:
        """Ready pods by version label, of versions that have a Deployment."""
        return {
            version: int((item.get("status") or {}).get("readyReplicas") or 0)
            for version, item in self.deployments(service).items()
        }

    def pods(self, service: str = "") -> list[dict[str, Any]]:
        """The application's pods, or those of one service."""
        selector = f"?labelSelector=app%3D{service}" if service else ""
        return self.api.items(f"/api/v1/namespaces/{NAMESPACE}/pods{selector}")

    def holder(self) -> str:
        """Who holds the lease on the namespace's stages; empty when nobody does."""
        try:
            return str(self.api.get(LEASE)["spec"].get("holderIdentity") or "")
        except MissingError:
            return ""


def is_ready(pod: Item) -> bool:
    """Whether a pod takes requests."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


@dataclass(frozen=True)
class Outage:
    """A time in which a version of an app had no pod that takes requests."""

    app: str
    version: str
    begin: float
    end: float


class Outages:
    """Watches the application's pods as long as the context lasts, five times a second."""

    def __init__(self, api: Api) -> None:
        self._api = api
        # When each version that had a ready pod was seen without one, and when it had one again (inf: not yet).
        self._without: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
        self._with: set[tuple[str, str]] = set()

    def __enter__(self) -> Outages:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.2):
            try:
                pods = self._api.items(f"/api/v1/namespaces/{NAMESPACE}/pods")
            except (OSError, ValueError):
                continue  # what is not known is as it was
            self._see(pods, time.time())

    def _see(self, pods: Sequence[Item], now: float) -> None:
        labels = [pod["metadata"].get("labels") or {} for pod in pods if is_ready(pod)]
        ready = {(str(each.get("app")), str(each.get("version", ""))) for each in labels}
        for gone in self._with - ready:
            self._without[gone].append([now, float("inf")])
        for back in ready - self._with:
            if self._without[back]:
                self._without[back][-1][1] = now
        self._with = ready

    def of(self, app: str, since: float) -> list[Outage]:
        """Those of an app's versions that reach into the time from `since` on."""
        return [
            Outage(app, version, begin, end)
            for (name, version), spans in list(self._without.items())
            for begin, end in spans
            if name == app and end >= since
        ]


# Steps of a stage of aleph that leads to 0.3, as the cluster shows them.
MOMENTS: dict[str, Callable[[Observer], object]] = {
    "as it begins": lambda _: True,
    "while it looks": lambda observer: observer.holder(),
    "while pods start": lambda observer: "v03" in observer.deployments("aleph"),
    "while it proves": lambda observer: observer.shares("aleph").get("v03"),
}
