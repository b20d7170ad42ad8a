# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What there is of Istio in a cluster, whose it is, and what puts a namespace on it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import MANAGER, PREFIX, is_ours

# On Istio's namespace: what identifies our installation. Written before istioctl begins, so that one which was killed
# half-way is known to be ours.
ANNOTATION = f"{PREFIX}mesh"
REVISION = "istio.io/rev"
TAG = "istio.io/tag"
INJECTION = {"istio-injection": "enabled"}
DEFAULT = "default"
# Who writes an istiod besides people: istioctl, we, and the cluster itself.
_INSTALLERS = {MANAGER, "istio-operator", "istioctl", "kube-controller-manager"}
_RESTART = "f:kubectl.kubernetes.io/restartedAt"
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
_DEFINITION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/virtualservices.networking.istio.io"

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Mesh:
    """What there is of Istio.

    Attributes:
        namespace: the one in which the workshop's own Istio is, or would be.
        istiods: Deployments of istiod, of any revision and in any namespace.
        injectors: MutatingWebhookConfigurations that give pods their proxy; their istiod may be outside the cluster.
        validators: ValidatingWebhookConfigurations that judge Istio's objects.
        definition: of VirtualService.
        settings: the data of istiod's ConfigMaps by their name, from each istiod's namespace.
    """

    namespace: Object | None = None
    istiods: Sequence[Object] = ()
    injectors: Sequence[Object] = ()
    validators: Sequence[Object] = ()
    definition: Object | None = None
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, api: Api, namespace: str) -> Mesh:
        """Read it; nothing is changed."""
        istiods = api.items("/apis/apps/v1/deployments", labelSelector="app=istiod")
        homes = {str(istiod["metadata"]["namespace"]) for istiod in istiods}
        return cls(
            namespace=api.find(f"/api/v1/namespaces/{namespace}"),
            istiods=istiods,
            injectors=api.items(f"{_ADMISSION}/mutatingwebhookconfigurations", labelSelector="app=sidecar-injector"),
            validators=api.items(f"{_ADMISSION}/validatingwebhookconfigurations", labelSelector="app=istiod"),
            definition=api.find(_DEFINITION),
            settings={
                item["metadata"]["name"]: item.get("data") or {}
                for home in sorted(homes)
                for item in api.items(f"/api/v1/namespaces/{home}/configmaps")
                if item["metadata"]["name"].startswith("istio")
            },
        )

    def identity(self, room: str) -> str | None:
        """What identifies the room's own installation; None when it has none."""
        if self.namespace is None or not is_ours(self.namespace, room):
            return None
        return (self.namespace["metadata"].get("annotations") or {}).get(ANNOTATION)

    @property
    def is_there(self) -> bool:
        """Whether there is any of it."""
        return bool(self.istiods or self.injectors or self.validators or self.definition)

    def injection(self, revision: str = "") -> dict[str, str] | None:
        """Labels that put a namespace on the mesh; None when there is no such revision, or more than one to choose."""
        if revision not in {"", DEFAULT}:
            wanted = {REVISION: revision}
            return wanted if self.injects(wanted) else None
        if self.injects(INJECTION):
            return dict(INJECTION)
        found = [{REVISION: name} for name in self.revisions if self.injects({REVISION: name})]
        return found[0] if len(found) == 1 else None

    @property
    def revisions(self) -> list[str]:
        """Revisions and tags that a namespace can ask for."""
        labels = [item["metadata"].get("labels") or {} for item in self.injectors]
        return sorted({str(each[key]) for each in labels for key in (REVISION, TAG) if key in each})

    def setting(self, name: str, revision: str) -> str:
        """Read a part of the settings of a revision: `mesh`, or the injector's `values`; empty when it is not known."""
        config = {"mesh": "istio", "values": "istio-sidecar-injector"}[name]
        suffix = "" if revision in {"", DEFAULT} else f"-{revision}"
        return self.settings.get(f"{config}{suffix}", {}).get(name, "")

    def revision_of(self, labels: Mapping[str, str]) -> str:
        """Name the revision whose proxies a namespace with these labels gets."""
        return next((_revision(item) for item in self.injectors if _selects(item, labels)), DEFAULT)

    def has_cni(self, revision: str) -> bool | None:
        """Whether pods need no privileges for their proxy; None when it is not known."""
        text = self.setting("values", revision)
        if not text:
            return None
        values = json.loads(text)
        parts = ((values.get("pilot") or {}).get("cni") or {}, values.get("istio_cni") or {})
        return any(part.get("enabled") for part in parts)

    def has_json_log(self, revision: str) -> bool:
        """Whether proxies write their access log as we read it."""
        config = yaml.safe_load(self.setting("mesh", revision) or "{}")
        return bool(config.get("accessLogFile")) and config.get("accessLogEncoding") == "JSON"

    def injects(self, labels: Mapping[str, str]) -> bool:
        """Tell whether pods get a proxy in a namespace with these labels."""
        return any(_selects(item, labels) for item in self.injectors)


def changes(istiod: Object) -> list[str]:
    """Say what of an istiod people have written since it was installed, each with what they did it with."""
    found = []
    for entry in istiod["metadata"].get("managedFields") or []:
        if entry.get("subresource") or entry.get("manager") in _INSTALLERS:
            continue
        written = (entry.get("fieldsV1") or {}).get("f:spec")
        fields = sorted({_shown(path) for path in _leaves(written or {}) if _RESTART not in path})
        if fields:
            found.append(f"{', '.join(fields)} by {entry.get('manager')}")
    return found


def matches(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Tell whether a Kubernetes label selector selects these labels; an empty one selects everything."""
    selector = selector or {}
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_holds(expression, labels) for expression in selector.get("matchExpressions") or [])


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or []
    return {
        "In": labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }[expression["operator"]]


def _selects(injector: Object, labels: Mapping[str, str]) -> bool:
    """Tell whether pods without labels of their own get a proxy in a namespace with these labels."""
    return any(
        matches(webhook.get("namespaceSelector"), labels) and matches(webhook.get("objectSelector"), {})
        for webhook in injector.get("webhooks") or []
    )


def _revision(item: Object) -> str:
    return str((item["metadata"].get("labels") or {}).get(REVISION, DEFAULT))


def _leaves(fields: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Give the paths of managed fields that hold a value."""
    for key, below in fields.items():
        if below:
            yield from _leaves(below, (*path, key))
        elif key != ".":
            yield (*path, key)


def _shown(path: Iterable[str]) -> str:
    """Name a managed field as people do: an environment variable by its name, anything else by its last part.

    >>> _shown(("f:template", "f:containers", 'k:{"name":"discovery"}', "f:env", 'k:{"name":"PILOT_X"}', "f:value"))
    'PILOT_X'
    >>> _shown(("f:template", "f:containers", 'k:{"name":"discovery"}', "f:image"))
    'image'
    """
    parts = list(path)
    if "f:env" in parts[:-1]:
        return str(json.loads(parts[parts.index("f:env") + 1].removeprefix("k:"))["name"])
    return [part for part in parts if part.startswith("f:")][-1].removeprefix("f:")
