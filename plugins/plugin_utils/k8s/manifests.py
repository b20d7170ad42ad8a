# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How this project applies manifests, for kubernetes.core.k8s, and what that says about several of them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any
from urllib.request import getproxies

import yaml

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.errors import NOT_NOW, WEBHOOK
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.kubeconfig import no_proxy
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import label
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import MANAGER, labelled
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.waiting import (
    WRITE_SECONDS,
    Look,
    WaitError,
    Waiting,
    unjudged,
)

# What the API server counts.
COUNTED_FIELDS = {"metadata.generation", "metadata.resourceVersion"}
# Else a pod that becomes ready between reading and writing counts as a change of ours.
HIDDEN_FIELDS = ("status", "metadata.managedFields")
# HTTP's words for the answers that say "not now" (errors.NOT_NOW): kubernetes.core gives them instead of numbers.
_NOT_NOW = {HTTPStatus(number).phrase for number in NOT_NOW}


class ManifestError(WorkshopError):
    """Something that is no manifest. The message is one sentence for people."""


def objects(manifests: Iterable[Any]) -> list[dict[str, Any]]:
    """Read manifests, each a dictionary or YAML text of any number of them, as objects.

    Raises:
        ManifestError: a text is no YAML, or holds something else than objects.
    """
    found: list[dict[str, Any]] = []
    for manifest in manifests:
        try:
            documents = list(yaml.safe_load_all(manifest)) if isinstance(manifest, str) else [manifest]
        except yaml.YAMLError as error:
            # Without its lines, which may hold a secret.
            where = getattr(error, "problem_mark", None)
            line = f" (line {where.line + 1})" if where else ""
            raise ManifestError(f"A manifest is no YAML: {getattr(error, 'problem', 'unreadable')}{line}.") from error
        for document in filter(None, documents):
            if not isinstance(document, dict) or "kind" not in document:
                raise ManifestError(
                    "A manifest must be an object with apiVersion, kind and metadata, and one is not "
                    f"(a {type(document).__name__})."
                )
            found.append(document)
    return found


def arguments(
    kubeconfig: str,
    manifests: Iterable[Any],
    room: str,
    *,
    live: Callable[[str], Mapping[str, Any] | None] = lambda path: None,
) -> dict[str, Any]:
    """What kubernetes.core.k8s is told; every object gets our labels.

    Args:
        live: gives the object at a path of the API, None when there is none.
    """
    definitions = [copy.deepcopy(labelled(item, room)) for item in objects(manifests)]
    for item in definitions:
        if item["kind"] == "Deployment":
            metadata = item["metadata"]
            keep_replicas(
                item, live(f"/apis/apps/v1/namespaces/{metadata['namespace']}/deployments/{metadata['name']}")
            )
    return {
        "kubeconfig": kubeconfig,
        "no_proxy": no_proxy(getproxies().get("no", "")),
        "definition": definitions,
        "apply": True,
        "server_side_apply": {"field_manager": MANAGER, "force_conflicts": True},
        "hidden_fields": list(HIDDEN_FIELDS),
        # A namespace or kind that check mode has not made is an error for each object of it; what a webhook has not
        # judged is applied again by itself.
        "continue_on_error": True,
    }


def applied(
    run: Callable[[dict[str, Any]], dict[str, Any]], given: Mapping[str, Any], waiting: Waiting
) -> dict[str, Any]:
    """Apply objects, and those again that nobody could judge: a webhook, such as istiod's, or the API server restarts.

    Args:
        run: runs kubernetes.core.k8s.
        given: what it is told (`arguments`).

    Returns:
        What it says of all.
    """
    first = run(dict(given))
    results = dict(enumerate(_results(first)))
    if first.get("failed") or not any(map(_is_passing, results.values())):
        return first

    def look() -> dict[str, Look]:
        again = [number for number, item in results.items() if _is_passing(item)]
        done = run({**given, "definition": [given["definition"][number] for number in again]})
        told = [{"error": done}] * len(again) if done.get("failed") else _results(done)
        results.update(zip(again, told, strict=True))
        return {
            f"writing {label(given['definition'][number])}": unjudged(_message(results[number]))
            if _is_passing(results[number])
            else Look(True, "done")
            for number in again
        }

    # What is not judged by then is an error of its object.
    with suppress(WaitError):
        waiting.until(look, WRITE_SECONDS)
    changed = any(item.get("changed") for item in results.values())
    return {**first, "changed": changed, "result": {"results": list(results.values())}}


def keep_replicas(wanted: dict[str, Any], live: Mapping[str, Any] | None) -> None:
    """Leave the number of pods to whoever has set it, in the manifest of a Deployment that is there already.

    A field that we own and leave out of an apply goes back to its default (server-side apply): so ours is repeated.
    0 is no number to leave: a version that must run is brought back.
    """
    number = ((live or {}).get("spec") or {}).get("replicas", 1)
    if live is None or number == 0:
        return
    mine = any(
        entry.get("manager") == MANAGER and "f:replicas" in (entry.get("fieldsV1") or {}).get("f:spec", {})
        for entry in live["metadata"].get("managedFields") or []
    )
    if mine:
        wanted["spec"]["replicas"] = number
    else:
        wanted["spec"].pop("replicas", None)


def errors(applied: Mapping[str, Any], *, check_mode: bool) -> list[str]:
    """Give the errors of single manifests.

    In check mode without those of a namespace or kind that it has not made; else the first: others follow from it.
    """
    found = [item for item in _results(applied) if item.get("error")]
    if not check_mode:
        return [_message(item) for item in found[:1]]
    messages = [_message(item) for item in found if item["error"].get("reason") != "Not Found"]
    return [message for message in messages if not message.startswith("Failed to find exact match for ")]


def differences(applied: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give what changed in each object, as Ansible shows it; one that is new has only its name."""
    found = []
    for item in _results(applied):
        if not item.get("changed"):
            continue
        made = item.get("result") or {}
        metadata = made.get("metadata") or {}
        name = "/".join(filter(None, (made.get("kind"), metadata.get("namespace"), metadata.get("name"))))
        difference = item.get("diff") or {"before": "", "after": f"{name} (new)\n"}
        found.append({"before_header": name, "after_header": name, **difference})
    return found


def faults(applied: Mapping[str, Any]) -> list[str]:
    """Say of each object that a run in check mode would make or change what is wrong with it, in a sentence."""
    found = []
    for each in differences(applied):
        name, before, after = each["after_header"], each.get("before"), each.get("after")
        if isinstance(before, dict) and isinstance(after, dict) and before:
            found.append(f"{name} is not as it was deployed: {'; '.join(changes(before, after))}.")
        else:
            found.append(f"{name} is missing, or not as it was deployed.")
    return found


def changes(before: Any, after: Any, path: str = "") -> list[str]:
    """Give the leaves that differ, each with what it is and what it was deployed as.

    >>> changes({"spec": {"mode": "PERMISSIVE"}}, {"spec": {"mode": "STRICT"}, "metadata": {"generation": 2}})
    ['spec.mode is "PERMISSIVE", not "STRICT"']
    >>> changes({}, {"labels": {"a": "b"}})
    ['labels.a is missing (it was "b")']
    """
    if before == after or path in COUNTED_FIELDS:
        return []
    if isinstance(before, dict | None) and isinstance(after, dict | None):
        keys = sorted({*(before or {}), *(after or {})})
        inner = ((key, f"{path}.{key}".lstrip(".")) for key in keys)
        return [
            sentence
            for key, place in inner
            for sentence in changes((before or {}).get(key), (after or {}).get(key), place)
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return [each for index, (old, new) in pairs for each in changes(old, new, f"{path}[{index}]")]
    if before is None:
        return [f"{path} is missing (it was {json.dumps(after)})"]
    if after is None:
        return [f"{path} is {json.dumps(before)}, and was not there"]
    return [f"{path} is {json.dumps(before)}, not {json.dumps(after)}"]


def unbound_claims(applied: Mapping[str, Any]) -> list[str]:
    """Name the PersistentVolumeClaims that have no volume yet, so that nothing can have been stored."""
    objects = [item.get("result") or {} for item in _results(applied)]
    return [
        claim["metadata"]["name"]
        for claim in objects
        if claim.get("kind") == "PersistentVolumeClaim" and not claim["spec"].get("volumeName")
    ]


def _message(item: Mapping[str, Any]) -> str:
    error = item.get("error") or {}
    return str(error.get("msg", error))


def _is_passing(item: Mapping[str, Any]) -> bool:
    """Whether an object was not judged at all, so that it may be applied later."""
    return WEBHOOK in _message(item) or (item.get("error") or {}).get("reason") in _NOT_NOW


def _results(applied: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    result = applied.get("result") or {}
    return list(result.get("results") or []) if "results" in result else [applied]
