# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Job of one build: the role's template (job.yml.j2), filled with what is this build's own."""

from __future__ import annotations

import base64
import copy
import hashlib
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.kaniko.context import Build, Context

# What a container writes here stands in its pod's status.
DIGEST_FILE = "/dev/termination-log"
# In the image's configuration: which sources it was built from.
SOURCE_LABEL = "workshop.source-digest"
IMAGE_LABEL, TAG_LABEL = "workshop.istio-games/image", "workshop.istio-games/tag"
LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
# Characters of a Job's name before its digest's: all of it is a label of its pod.
MAX_STEM = 40
ARCHIVE = "context.tar.gz"
CONTEXT_DIRECTORY = "/ctx"
CONTEXT_VOLUME = "context"


def job_name(build: Build, digest: str) -> str:
    """Name a build after what it builds, so that an interrupted run's Job is found again.

    >>> job_name(Build("istio-games-aleph", "0.1", "Dockerfile", ()), "sha256:0123456789abcdef")
    'istio-games-aleph-0-1-0123456789ab'
    """
    stem = re.sub(r"[^a-z0-9-]+", "-", f"{build.image}-{build.tag}".lower()).strip("-")
    if len(stem) > MAX_STEM:  # what is cut off may be all that tells it from another one
        stem = f"{stem[: MAX_STEM - 9].rstrip('-')}-{_short(build.reference)}"
    return f"{stem}-{digest.removeprefix('sha256:')[:12]}"


def labels(build: Build) -> dict[str, str]:
    """Give the labels of a build's objects: a name that no label can hold is one of its digest.

    >>> labels(Build("team/aleph", "0.1", "Dockerfile", ()))
    {'workshop.istio-games/image': 'sha256-7ee2101c', 'workshop.istio-games/tag': '0.1'}
    """
    return {
        name: value if LABEL_VALUE.fullmatch(value) else f"sha256-{_short(value)}"
        for name, value in ((IMAGE_LABEL, build.image), (TAG_LABEL, build.tag))
    }


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def arguments(build: Build, digest: str, push_address: str) -> list[str]:
    """Give kaniko's arguments that are this build's own."""
    return [
        f"--context=tar://{CONTEXT_DIRECTORY}/{ARCHIVE}",
        f"--dockerfile={build.dockerfile}",
        f"--destination={push_address}/{build.reference}",
        f"--label={SOURCE_LABEL}={digest}",
        f"--digest-file={DIGEST_FILE}",
        *(f"--build-arg={name}={value}" for name, value in sorted(build.build_args.items())),
    ]


def job(template: Mapping[str, Any], build: Build, digest: str, push_address: str) -> dict[str, Any]:
    """Fill the template."""
    manifest = copy.deepcopy(dict(template))
    name = job_name(build, digest)
    manifest["metadata"] = {**manifest.get("metadata", {}), "name": name}
    for metadata in (manifest["metadata"], manifest["spec"]["template"].setdefault("metadata", {})):
        metadata["labels"] = {**metadata.get("labels", {}), **labels(build)}
    pod = manifest["spec"]["template"]["spec"]
    container = pod["containers"][0]
    container["args"] = [*container.get("args", []), *arguments(build, digest, push_address)]
    container.setdefault("volumeMounts", []).append(
        {"name": CONTEXT_VOLUME, "mountPath": CONTEXT_DIRECTORY, "readOnly": True}
    )
    pod.setdefault("volumes", []).append({"name": CONTEXT_VOLUME, "configMap": {"name": name}})
    return manifest


def config_map(manifest: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Hold the context for a Job, under the same name and labels."""
    metadata = {key: manifest["metadata"][key] for key in ("name", "namespace", "labels")}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "immutable": True,
        "binaryData": {ARCHIVE: base64.b64encode(context.archive).decode()},
    }


def owned_by(job_object: Mapping[str, Any]) -> dict[str, Any]:
    """Let an object be removed together with a Job."""
    metadata = job_object["metadata"]
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": metadata["name"], "uid": metadata["uid"]}
    return {"metadata": {"ownerReferences": [owner]}}


def pushed_digest(pod: Mapping[str, Any]) -> str | None:
    """Give the digest that a build's pod has pushed, as kaniko itself says.

    >>> pushed_digest({"status": {"containerStatuses": [{"state": {"terminated": {"message": "sha256:" + "0" * 64}}}]}})
    'sha256:0000000000000000000000000000000000000000000000000000000000000000'
    """
    for container in (pod.get("status") or {}).get("containerStatuses") or []:
        message = ((container.get("state") or {}).get("terminated") or {}).get("message") or ""
        if re.fullmatch(r"sha256:[0-9a-f]{64}", message.strip()):
            return str(message.strip())
    return None


def outcome(job_object: Mapping[str, Any]) -> str | None:
    """Tell how a Job ended: `complete`, the reason of its failure, or None while it runs."""
    for condition in (job_object.get("status") or {}).get("conditions") or []:
        if condition.get("status") != "True":
            continue
        if condition.get("type") in ("Complete", "SuccessCriteriaMet"):
            return "complete"
        if condition.get("type") in ("Failed", "FailureTarget"):
            return str(condition.get("reason") or "failed")
    return None
