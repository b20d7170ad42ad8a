# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a student may do and what not, asked of the API server with the student's own kubeconfig."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
ISTIO = "networking.istio.io"
RBAC = "rbac.authorization.k8s.io"
ADMISSION_SECONDS = 30.0
# The student's own namespace, and every one.
OWN, EVERY = "OWN", ""


@dataclass(frozen=True)
class Right:
    """A right to ask for: a verb, and on what ("pods/exec", "deployments.apps"), where, and of which name."""

    verb: str
    resource: str
    namespace: str = OWN
    name: str = ""

    def review(self, own: str) -> dict[str, Any]:
        """Give the question."""
        whole, _, subresource = self.resource.partition("/")
        resource, _, group = whole.partition(".")
        return {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {
                "resourceAttributes": {
                    "verb": self.verb,
                    "group": group,
                    "resource": resource,
                    "subresource": subresource,
                    "namespace": own if self.namespace == OWN else self.namespace,
                    "name": self.name,
                }
            },
        }

    def __str__(self) -> str:
        where = {OWN: "", EVERY: " in every namespace"}.get(self.namespace, f" in {self.namespace}")
        return f"{self.verb} {self.resource}{f' {self.name}' if self.name else ''}{where}"


def _rights(verb: str, *resources: str, namespace: str = OWN) -> tuple[Right, ...]:
    return tuple(Right(verb, resource, namespace) for resource in resources)


MUST = (
    *_rights("list", "pods", "services", "events", "configmaps", "deployments.apps", f"virtualservices.{ISTIO}"),
    *_rights("get", "pods/log"),
    *_rights("create", "pods/exec", "pods/portforward", "deployments.apps"),
    *_rights("create", f"virtualservices.{ISTIO}", f"destinationrules.{ISTIO}"),
    *_rights("patch", "deployments.apps", "deployments.apps/scale", f"virtualservices.{ISTIO}"),
    *_rights("delete", "pods", f"virtualservices.{ISTIO}"),
)
MUST_NOT = (
    *_rights("get", "secrets", f"rolebindings.{RBAC}"),
    *_rights("create", "pods", "services", "secrets", "serviceaccounts/token", "jobs.batch"),
    *_rights("create", "pods/attach", "configmaps", "serviceaccounts", "persistentvolumeclaims"),
    *_rights("create", "statefulsets.apps", "daemonsets.apps", "cronjobs.batch", "ingresses.networking.k8s.io"),
    *_rights("create", f"rolebindings.{RBAC}", f"roles.{RBAC}", "networkpolicies.networking.k8s.io"),
    *_rights("create", *(f"{kind}.{ISTIO}" for kind in ("gateways", "serviceentries", "envoyfilters", "sidecars"))),
    *_rights("create", f"workloadentries.{ISTIO}", "wasmplugins.extensions.istio.io", "telemetries.telemetry.istio.io"),
    *_rights("create", f"workloadgroups.{ISTIO}", f"proxyconfigs.{ISTIO}", "requestauthentications.security.istio.io"),
    *_rights("create", "endpoints", "endpointslices.discovery.k8s.io", "events", "leases.coordination.k8s.io"),
    *_rights("create", "horizontalpodautoscalers.autoscaling", "poddisruptionbudgets.policy", "pods/eviction"),
    *_rights("create", *(f"{kind}.security.istio.io" for kind in ("authorizationpolicies", "peerauthentications"))),
    *_rights("patch", *(f"{kind}.security.istio.io" for kind in ("authorizationpolicies", "peerauthentications"))),
    *_rights("patch", f"sidecars.{ISTIO}", f"roles.{RBAC}", f"rolebindings.{RBAC}"),
    *_rights("patch", "pods", "services", "networkpolicies.networking.k8s.io"),
    *_rights("patch", "pods/ephemeralcontainers", "resourcequotas", "limitranges", "namespaces"),
    *_rights("patch", "pods/resize", "replicasets.apps", "deployments.apps/status", "leases.coordination.k8s.io"),
    *_rights("delete", "networkpolicies.networking.k8s.io", "namespaces", "resourcequotas"),
    *_rights("get", "pods/proxy", "services/proxy"),
    *_rights("list", "pods", "secrets", "namespaces", "nodes", "configmaps", namespace=EVERY),
    *_rights("get", "nodes/proxy", "persistentvolumes", namespace=EVERY),
    *_rights("impersonate", "users", "groups", "serviceaccounts", namespace=EVERY),
    *_rights("escalate", f"clusterroles.{RBAC}", namespace=EVERY),
    *_rights("bind", f"clusterroles.{RBAC}", namespace=EVERY),
    *_rights("create", "namespaces", "certificatesigningrequests.certificates.k8s.io", namespace=EVERY),
    *_rights("list", "pods", "secrets", namespace="kube-system"),
    *_rights(
        "create",
        *("mutatingwebhookconfigurations", "validatingwebhookconfigurations", "validatingadmissionpolicies"),
        namespace=EVERY,
    ),
)


class AccessError(WorkshopError):
    """A student may do less, or more, than a student must."""


def prove(api: Api, namespace: str, must: Sequence[Right] = MUST, must_not: Sequence[Right] = MUST_NOT) -> None:
    """Ask for each right, and use one.

    Args:
        api: the cluster, by the student's own kubeconfig.
        namespace: the student's.

    Raises:
        AccessError: the answers are not what they must be, named one by one.
    """
    api.items(f"/api/v1/namespaces/{namespace}/pods")
    lacking = [str(right) for right in must if not _allowed(api, right, namespace)]
    too_much = [str(right) for right in must_not if _allowed(api, right, namespace)]
    if lacking or too_much:
        said = _listed("may not", lacking) + _listed("may", too_much)
        raise AccessError(f"The kubeconfig of {namespace} {' and '.join(said)}, which is not what a student's must do.")


def prove_admission(
    api: Api,
    namespace: str,
    other: str,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """See that a route for somebody else's host is refused by the room's admission policy; nothing is written.

    Args:
        other: another namespace.

    Raises:
        AccessError: it is not refused, also some seconds later: the API server takes a moment to follow a policy.
    """
    route = {
        "apiVersion": f"{ISTIO}/v1",
        "kind": "VirtualService",
        "metadata": {"name": "not-mine", "namespace": namespace},
        "spec": {
            "hosts": [f"front.{other}.svc.cluster.local"],
            "http": [{"route": [{"destination": {"host": "front"}}]}],
        },
    }
    path = f"/apis/{ISTIO}/v1/namespaces/{namespace}/virtualservices?dryRun=All"
    deadline = clock() + ADMISSION_SECONDS
    while clock() < deadline:
        try:
            api.create(path, route)
        except KubernetesError as error:
            if "ValidatingAdmissionPolicy" in error.said:
                return
            raise
        sleep(1)
    raise AccessError(f"{namespace} may route for hosts of {other}: the room's admission policy is not in force.")


def _allowed(api: Api, right: Right, namespace: str) -> bool:
    return bool(api.create(REVIEWS, right.review(namespace))["status"]["allowed"])


def _listed(what: str, rights: Iterable[str]) -> list[str]:
    found = list(rights)
    return [f"{what} {', '.join(found)}"] if found else []
