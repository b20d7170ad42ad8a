# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether Istio may be installed in a cluster, or used as it is there: a sentence for each reason why not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.mesh import DEFAULT, REVISION, TAG, Mesh, changes

USE_EXISTING = "-e mesh_use_existing=true uses it as it is"
UNTOUCHED = "nothing of it was changed"


def foreign(mesh: Mesh, room: str, *, exclusive: bool) -> Iterator[str]:
    """Say what of Istio is somebody else's, so that installing ours would change it.

    Args:
        mesh: what there is.
        room: for whom Istio would be installed.
        exclusive: whether the cluster is the room's alone: what was changed of its own Istio is put right then.
    """
    if mesh.identity(room) is None:
        if mesh.is_there:
            yield (
                f"Istio is in this cluster already ({_shown(mesh)}), and the room {room} has not installed it: "
                f"{_remedy(mesh)}."
            )
        return
    if exclusive:
        return
    home = mesh.namespace["metadata"]["name"] if mesh.namespace else ""
    for istiod in mesh.istiods:
        metadata = istiod["metadata"]
        if metadata["namespace"] != home or _label(istiod, REVISION, DEFAULT) != DEFAULT:
            continue
        for change in changes(istiod):
            yield (
                f"The room's own Istio has been changed since (Deployment {home}/{metadata['name']}: {change}), which "
                f"installing it would undo: {USE_EXISTING}, or undo the change first."
            )
    for injector in mesh.injectors:
        revision = _label(injector, REVISION, DEFAULT)
        if _label(injector, TAG) == DEFAULT and revision != DEFAULT:
            yield (
                f"Namespaces get proxies of the revision {revision} by default (MutatingWebhookConfiguration "
                f"{injector['metadata']['name']}), which installing the room's own Istio would change: {USE_EXISTING}."
            )


def unusable(mesh: Mesh, revision: str, pod_security: str) -> Iterator[str]:
    """Say why the Istio that is there cannot be used.

    Args:
        mesh: what there is.
        revision: the one that is asked for; empty: the default one.
        pod_security: the Pod Security Standard that the application's namespace will enforce.
    """
    if not mesh.injectors:
        yield (
            "mesh_use_existing is true, but nothing in this cluster gives pods a proxy (no "
            "MutatingWebhookConfiguration is labelled app=sidecar-injector): leave it away, and Istio is installed."
        )
        return
    if not serves_v1(mesh):
        yield (
            "The Istio of this cluster does not know networking.istio.io/v1, which the stages write: it must be "
            "1.22 or newer."
        )
    labels = mesh.injection(revision)
    if labels is None:
        which = f"has no revision {revision}" if revision else "has no default revision"
        yield (
            f"The Istio of this cluster {which}, but {', '.join(mesh.revisions) or 'none'}: choose one with "
            f"-e mesh_revision={next(iter(mesh.revisions), 'NAME')}."
        )
        return
    if pod_security == "restricted" and mesh.has_cni(mesh.revision_of(labels)) is False:
        yield (
            "The Istio of this cluster gives every pod a privileged init container (istio-cni is not enabled), "
            "which the application's namespace would refuse: let it in with -e app_pod_security=privileged, or "
            "enable istio-cni."
        )


def remarks(mesh: Mesh, revision: str) -> Iterator[str]:
    """Say what an Istio that can be used lacks."""
    labels = mesh.injection(revision)
    if labels and not mesh.has_json_log(mesh.revision_of(labels)):
        yield (
            "The proxies of this Istio write no access log in JSON: where requests fail, the stages cannot say why "
            "(meshConfig accessLogFile: /dev/stdout, accessLogEncoding: JSON would let them)."
        )


def serves_v1(mesh: Mesh) -> bool:
    """Tell whether the API that the stages write is served."""
    versions = ((mesh.definition or {}).get("spec") or {}).get("versions") or []
    return any(version.get("name") == "v1" and version.get("served") for version in versions)


def _remedy(mesh: Mesh) -> str:
    if mesh.injectors:
        return f"{UNTOUCHED}; {USE_EXISTING}"
    return f"{UNTOUCHED}; remove what is left of it, or install the rest of it: then {USE_EXISTING}"


def _shown(mesh: Mesh) -> str:
    """Say what there is of Istio, the most telling first."""
    if mesh.istiods:
        return ", ".join(
            f"Deployment {item['metadata']['namespace']}/{item['metadata']['name']} of revision "
            f"{_label(item, REVISION, DEFAULT)}"
            for item in mesh.istiods
        )
    for kind, items in (
        ("MutatingWebhookConfiguration", mesh.injectors),
        ("ValidatingWebhookConfiguration", mesh.validators),
        ("CustomResourceDefinition", [mesh.definition] if mesh.definition else []),
    ):
        if items:
            return f"{kind} {', '.join(str(item['metadata']['name']) for item in items)}, without an istiod"
    return "nothing"


def _label(item: Mapping[str, Any], name: str, default: str = "") -> str:
    return str((item["metadata"].get("labels") or {}).get(name, default))
