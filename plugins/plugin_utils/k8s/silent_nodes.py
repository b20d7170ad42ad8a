# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nodes that do not answer: no kubelet there says that a pod has ended, so that whoever waits for that waits for ever.

Kubernetes keeps a deleted pod until its kubelet has confirmed its end, and a volume in a node's directory is nowhere
else (https://kubernetes.io/docs/concepts/architecture/nodes/#node-controller). What belongs to nobody but us is let go
then: a node that comes back ends by itself the pods that the API server knows no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.pods import path_of

HOSTNAME = "kubernetes.io/hostname"


def silent(api: Api) -> list[dict[str, Any]]:
    """Give the nodes whose kubelets have not been heard of for so long that Kubernetes knows nothing of them."""
    return [node for node in api.items("/api/v1/nodes") if _ready(node) == "Unknown"]


def names(api: Api) -> set[str]:
    """Name them."""
    return {str(node["metadata"]["name"]) for node in silent(api)}


def _ready(node: Mapping[str, Any]) -> str:
    conditions = (node.get("status") or {}).get("conditions") or []
    return next((str(each["status"]) for each in conditions if each.get("type") == "Ready"), "")


def let_go(api: Api, pods: Iterable[Mapping[str, Any]]) -> None:
    """Remove those of some pods that were told to end, and are on a node that does not answer."""
    leaving = [pod for pod in pods if pod["metadata"].get("deletionTimestamp") and pod["spec"].get("nodeName")]
    nodes = names(api) if leaving else set()
    for pod in leaving:
        if pod["spec"]["nodeName"] in nodes:
            api.delete(path_of(pod), 0)


def refuse_lost_volumes(api: Api, namespace: str) -> None:
    """Refuse a namespace one of whose volumes is in a directory of a node that does not answer.

    Raises:
        WorkshopError: it says which, and what to do.
    """
    nodes = {str(node["metadata"].get("labels", {}).get(HOSTNAME, node["metadata"]["name"])) for node in silent(api)}
    if not nodes:
        return
    for volume in api.items("/api/v1/persistentvolumes"):
        claim, where = volume["spec"].get("claimRef") or {}, _hosts(volume)
        if claim.get("namespace") == namespace and where and where <= nodes and _is_bound(volume):
            raise WorkshopError(
                f"The data of {claim['name']} in {namespace} are on {' and '.join(sorted(where))}, a node that does "
                "not answer: start it again; or make the place anew, without its data, with ansible-playbook "
                "playbooks/reset.yml."
            )


def _is_bound(volume: Mapping[str, Any]) -> bool:
    return bool((volume.get("status") or {}).get("phase") == "Bound")


def _hosts(volume: Mapping[str, Any]) -> set[str]:
    """Name the nodes that a volume can be had on; none where it is on no certain ones."""
    required = (volume["spec"].get("nodeAffinity") or {}).get("required") or {}
    return {
        str(value)
        for term in required.get("nodeSelectorTerms") or []
        for each in term.get("matchExpressions") or []
        if each.get("key") == HOSTNAME and each.get("operator") == "In"
        for value in each.get("values") or []
    }
