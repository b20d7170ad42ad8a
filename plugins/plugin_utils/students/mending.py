# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A place put right, whatever was done to it: the application's objects as they are meant, nothing in their way.

Each object of the application is replaced as a whole, so that what somebody has added to it goes too. What a student
has made besides is left and named, but for what runs pods or rules them: that goes, and a copy is kept. Routes that
govern the application's services are the business of the stage that follows (takeover).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.images.images import Images
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import contents, silent_nodes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.appliance import Paths, once_judged
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.deployments import Rollouts, forget_history
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import label, merged
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import is_managed
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.pods import has_proxy, path_of
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.waiting import Look, Waiting
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import sleeping
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.archive import OWN_KINDS
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import staged_services
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.versions import IMAGE
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.writer import keep_copy

# What runs pods, or rules how they run and who reaches them.
IN_THE_WAY = (
    *("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob", "Pod"),
    *("HorizontalPodAutoscaler", "PodDisruptionBudget", "ResourceQuota", "LimitRange", "NetworkPolicy"),
    *("AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication", "Sidecar", "EnvoyFilter", "WasmPlugin"),
    *("Telemetry", "ProxyConfig", "ServiceEntry", "WorkloadEntry", "WorkloadGroup"),
)
# The stages' own business.
ROUTES = ("VirtualService", "DestinationRule")
# Of these some is given once and for all: they are applied, not replaced.
LASTING = ("Namespace", "PersistentVolumeClaim")
# What makes all listeners of a proxy anew. Until it has drained the old ones (45 s: Istio's drainDuration), Envoy
# resets a new connection now and then (measured; https://github.com/envoyproxy/envoy/issues/35109).
LISTENERS = ("Sidecar", "EnvoyFilter")
# Labels of a namespace whose pods get a proxy.
MESHED = {"istio-injection", "istio.io/rev"}
GRACE_SECONDS, GONE_SECONDS, READY_SECONDS = 1, 60.0, 120.0
# How often a write is tried that somebody else is faster at.
ATTEMPTS = 5

Object = Mapping[str, Any]


@dataclass
class Mended:
    """What was done to a place.

    Attributes:
        changed, removed: objects, as people name them; left: what is the student's own, and stays.
    """

    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def told(self) -> list[str]:
        """Say it."""
        said = {
            "Put right": self.changed,
            "Removed, with a copy kept": self.removed,
            "Left, as the student's own": self.left,
        }
        return [f"{what}: {', '.join(names)}." for what, names in said.items() if names]


class Mending:
    """Puts one place right.

    Args:
        objects: all of the place's objects, in the order in which they are applied.
        versions: the Deployments of all versions of the services with stages, images by tag.
        services: the application's, as in `workshop_apps`.
        copies: directory for copies of what is removed.
    """

    def __init__(
        self,
        api: Api,
        paths: Paths,
        namespace: str,
        objects: Sequence[Object],
        versions: Sequence[Object],
        services: Sequence[Object],
        images: Images,
        copies: Path,
        say: Any,
    ) -> None:
        self._api, self._paths, self._namespace = api, paths, namespace
        self._objects, self._images, self._copies, self._say = objects, images, copies, say
        self._versions = {item["metadata"]["name"]: item for item in versions}
        staged = staged_services(services)
        self._callers = {caller for service in services for caller in service.get("callers", ())}
        self._staged = {name for name, item in self._versions.items() if _service_of(item) in staged}
        self.done = Mended()

    def run(self) -> Mended:
        """Do it.

        Raises:
            WorkshopError: it cannot be put right.
        """
        home = self._api.find(f"/api/v1/namespaces/{self._namespace}")
        if home and home["metadata"].get("deletionTimestamp"):
            raise WorkshopError(
                f"The namespace {self._namespace} is being deleted: make the place anew when it is gone."
            )
        silent_nodes.refuse_lost_volumes(self._api, self._namespace)
        if home:
            sleeping.note_mending(self._api, self._namespace)
        self._leave_silent_nodes()
        self._clear()
        forget_history(self._api, self._namespace)
        deployments = [item for item in self._objects if item["kind"] == "Deployment"]
        for item in self._objects:
            if item["kind"] == "PersistentVolumeClaim":
                self._free(item, deployments)
            if item["kind"] != "Deployment" and item["kind"] not in ROUTES:
                self._put(item)
        steady = [item for item in deployments if item["metadata"]["name"] not in self._staged]
        for item in steady:
            self._put(item)
        for name in sorted(self._staged):
            self._put_version(self._versions[name])
        self._with_proxies()
        Rollouts(self._api, self._namespace, self._say).wait([_name(item) for item in steady], READY_SECONDS)
        return self.done

    def _leave_silent_nodes(self) -> None:
        """Have the pods of nodes that do not answer come back elsewhere, for which Kubernetes takes five minutes."""
        nodes = silent_nodes.names(self._api)
        for pod in self._items("/api/v1", "pods") if nodes else []:
            if pod["spec"].get("nodeName") in nodes:
                self._api.delete(path_of(pod), 0)
                self.done.changed.append(f"Pod {_name(pod)}, whose node {pod['spec']['nodeName']} does not answer")

    def _clear(self) -> None:
        """Remove what is in the way of the application, and name what else there is."""
        ours = {(item["kind"], _name(item)) for item in self._objects if _home(item) == self._namespace}
        ours |= {("Deployment", name) for name in self._versions}
        for kind in contents.kinds(self._api):
            for found in kind.objects(self._api, self._namespace):
                if (found.kind, _name(found.item)) in ours or contents.is_made_by_itself(found, OWN_KINDS):
                    continue
                if found.kind in IN_THE_WAY:
                    keep_copy(
                        {"apiVersion": f"{kind.group}/{kind.version}".lstrip("/"), "kind": found.kind, **found.item},
                        self._copies,
                    )
                    self._api.delete(found.path, GRACE_SECONDS)
                    self.done.removed.append(f"{found.kind} {_name(found.item)}")
                elif found.kind not in ROUTES and not is_managed(found.item):
                    self.done.left.append(f"{found.kind} {_name(found.item)}")
        if self.done.removed:
            self._say(f"removed what is in the way: {', '.join(self.done.removed)}")
            waiting = Waiting(self._api, self._say)
            waiting.until(lambda: {"pods of others": self._others_gone(ours)}, GONE_SECONDS, 0.5)

    def _others_gone(self, ours: set[tuple[str, str]]) -> Look:
        """See whether the pods of removed workloads are gone, which are hurried up: they count in the place's quota."""
        sets = {
            _name(item)
            for item in self._items("/apis/apps/v1", "replicasets")
            if any(("Deployment", each["name"]) in ours for each in item["metadata"].get("ownerReferences") or [])
        }
        others = [
            pod
            for pod in self._items("/api/v1", "pods")
            if not any(each["name"] in sets for each in pod["metadata"].get("ownerReferences") or [])
        ]
        for pod in others:
            if pod["metadata"].get("deletionGracePeriodSeconds", GRACE_SECONDS + 1) > GRACE_SECONDS:
                self._api.delete(path_of(pod), GRACE_SECONDS)
        return Look(not others, f"{len(others)} pods still there")

    def _free(self, claim: Object, deployments: Iterable[Object]) -> None:
        """Let go of a volume that somebody has deleted, which is there as long as a pod has it."""
        path = self._paths.of(claim)
        live = self._api.find(path)
        if live is None or not live["metadata"].get("deletionTimestamp"):
            return
        for item in deployments:
            if _claims(item) & {_name(claim)}:
                self._api.delete(self._paths.of(item), GRACE_SECONDS)
                self._say(f"{label(claim)} was deleted: it is made anew, empty")
        for pod in self._items("/api/v1", "pods"):
            if _name(claim) in {
                each.get("persistentVolumeClaim", {}).get("claimName") for each in pod["spec"].get("volumes") or []
            }:
                self._api.delete(path_of(pod), GRACE_SECONDS)
        Waiting(self._api, self._say).until(lambda: self._gone({label(claim): path}), GONE_SECONDS, 0.5)

    def _put_version(self, wanted: Object) -> None:
        """Put the Deployment of a version right that is there; whether one is, is the stage's business."""
        if self._api.find(self._paths.of(wanted)) is None:
            return
        container = wanted["spec"]["template"]["spec"]["containers"][0]
        name, _, tag = str(container["image"]).partition("/")[2].rpartition(":")
        image = f"{container['image']}@{self._images.digest(name, tag)}"
        metadata, spec = wanted["metadata"], wanted["spec"]
        template = spec["template"]
        pod = {**template["spec"], "containers": [{**container, "image": image}, *template["spec"]["containers"][1:]]}
        self._put(
            {
                **wanted,
                "metadata": {**metadata, "annotations": {**(metadata.get("annotations") or {}), IMAGE: image}},
                "spec": {**spec, "template": {**template, "spec": pod}},
            }
        )

    def _put(self, wanted: Object) -> None:
        """Make an object what it is meant to be, as a whole."""
        path = self._paths.of(wanted)
        live = self._api.find(path)
        if live is None or wanted["kind"] in LASTING:
            made: Object = self._api.apply(path, wanted)
        else:
            made = self._replaced(path, wanted, live)
        if live is None or _said(made) != _said(live):
            self.done.changed.append(f"{wanted['kind']} {_name(wanted)}")

    def _replaced(self, path: str, wanted: Object, live: Object) -> Object:
        """Replace an object; controllers write to it, too, while they are at work."""
        current: Object | None = live
        for attempt in range(ATTEMPTS):
            try:
                if current is not None:
                    write = partial(self._api.replace, path, merged(wanted, current))
                    return once_judged(Waiting(self._api, self._say), f"writing {label(wanted)}", write)
                break
            except KubernetesError as error:
                if error.status == 422:  # some of it is given once and for all, such as what a Deployment selects
                    self._api.delete(path)
                    Waiting(self._api, self._say).until(lambda: self._gone({label(wanted): path}), GONE_SECONDS, 0.5)
                    break
                if error.status != 409 or attempt + 1 == ATTEMPTS:
                    raise
            current = self._api.find(path)
        return self._api.apply(path, wanted)

    def _gone(self, paths: Mapping[str, str]) -> dict[str, Look]:
        return {name: Look(self._api.find(path) is None, "still there") for name, path in paths.items()}

    def _with_proxies(self) -> None:
        """Have pods made anew that lack a proxy, or whose proxy would lose requests for a while."""
        if not any(
            MESHED & (item["metadata"].get("labels") or {}).keys()
            for item in self._objects
            if item["kind"] == "Namespace"
        ):
            return
        draining = any(each.split()[0] in LISTENERS for each in (*self.done.changed, *self.done.removed))
        gone = {}
        for pod in self._items("/api/v1", "pods"):
            owned = pod["metadata"].get("ownerReferences") and not pod["metadata"].get("deletionTimestamp")
            if owned and (why := self._why_anew(pod, draining)):
                gone[f"pod {_name(pod)}"] = path_of(pod)
                self._api.delete(path_of(pod), GRACE_SECONDS)
                self.done.changed.append(f"Pod {_name(pod)}, which {why}")
        # Until then their Deployments may count them among those that are ready.
        Waiting(self._api, self._say).until(lambda: self._gone(gone), GONE_SECONDS, 0.5)

    def _why_anew(self, pod: Object, draining: bool) -> str:
        if not has_proxy(pod):
            return "had no proxy"
        calls = _service_of(pod) in self._callers
        return "would lose requests until its proxy has drained" if draining and calls else ""

    def _items(self, base: str, plural: str) -> list[dict[str, Any]]:
        return self._api.items(f"{base}/namespaces/{self._namespace}/{plural}")


def _said(item: Object) -> Any:
    """Give what somebody says in an object."""
    left = {key: value for key, value in item.items() if key not in ("metadata", "status", "apiVersion", "kind")}
    return left, item["metadata"].get("labels") or {}


def _name(item: Object) -> str:
    return str(item["metadata"]["name"])


def _home(item: Object) -> str:
    return str(item["metadata"].get("namespace", ""))


def _service_of(item: Object) -> str:
    return str((item["metadata"].get("labels") or {}).get("app", ""))


def _claims(deployment: Object) -> set[str]:
    volumes = deployment["spec"]["template"]["spec"].get("volumes") or []
    return {str(each["persistentVolumeClaim"]["claimName"]) for each in volumes if "persistentVolumeClaim" in each}
