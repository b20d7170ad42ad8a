# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A place that is there: given back new, put to sleep, woken, removed. Nothing outside of it is touched."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import contents, silent_nodes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.namespaces import GONE_SECONDS, gone
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import ROOM
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.pod_exec import Container
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.pods import path_of
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.waiting import Look, Waiting
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.handed_out import ACCOUNT
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.places import Place
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import (
    making,
    objects,
    register,
    sleeping,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.archive import OWN_KINDS
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.making import Class, Say

# A pod that is thrown away gets this long.
GRACE_SECONDS = 1
EMPTY_SECONDS = 120.0
# What a reset does not make anew: nothing of it is the student's work.
FRAME = {*objects.ORDER} - {"Deployment", "PersistentVolumeClaim", "VirtualService"}
# What a place has in namespaces of others: a right in that of the builds, a route in that of the door.
ELSEWHERE = (
    "/apis/rbac.authorization.k8s.io/v1/rolebindings",
    "/apis/networking.istio.io/v1/virtualservices",
)


def reset(api: Api, place: Place, course: Class, outside: Container, say: Say) -> Place:
    """Empty a place, and make it anew; its kubeconfig stays good."""
    making.refuse_others(api, place, course.room)
    register.note(api, places.changed(place, state="making", cause=""))
    _hold(api, place.namespace)
    wanted = objects.of_place(course.manifests, place, course.room)
    kept = {(item["kind"], item["metadata"]["name"]) for item in wanted if item["kind"] in FRAME}
    _empty(api, place.namespace, lambda found: (found.kind, found.item["metadata"]["name"]) in kept, say)
    return making.make(api, place, course, outside, say)


def suspend(api: Api, place: Place, room: str, say: Say) -> Place:
    """Let none of a place's pods run; each Deployment bears how many it had."""
    making.refuse_others(api, place, room)
    namespace = place.namespace
    asleep = places.changed(place, state=sleeping.SUSPENDED, cause="")
    # First: half asleep it is not ready. It sleeps when it bears no cause any more.
    register.note(api, places.changed(asleep, cause=sleeping.GOING))
    sleeping.begin(api, namespace, place.name, room)
    Waiting(api, say).until(lambda: {"its pods": _ended(api, namespace)}, EMPTY_SECONDS)
    register.note(api, asleep)
    return asleep


def resume(api: Api, place: Place, course: Class, outside: Container, say: Say) -> Place:
    """Let a place's pods run as they did, and prove it, whatever stage it is at."""
    making.refuse_others(api, place, course.room)
    # First: whoever's time is over would be put to sleep again.
    place = places.changed(making.with_credentials(api, place, course), state="making", cause="")
    register.note(api, place)
    running = sleeping.end(api, place.namespace)
    say(f"its kubeconfig is good until {place.expires}")
    return making.prove(api, place, course, outside, running, say, fresh=False)


def remove(api: Api, place: Place, room: str, say: Say) -> Place:
    """Remove a place, with what it has in others' namespaces and on the controller; a namespace of others stays."""
    home = api.find(f"/api/v1/namespaces/{place.namespace}")
    others = register.not_its(home, place, room)
    if others and not place.taken:  # it was the student's a moment ago
        raise WorkshopError(others)
    for kind in ELSEWHERE:
        for item in _labelled(api, kind, place.name, room):
            metadata = item["metadata"]
            if others and metadata["namespace"] == place.namespace:
                continue
            base, _, plural = kind.rpartition("/")
            api.delete(f"{base}/namespaces/{metadata['namespace']}/{plural}/{metadata['name']}")
    if home and not others:
        register.note(api, places.changed(place, state="making", cause="It is being removed."))
        _hold(api, place.namespace)
        # Its policies hold until the last pod is gone.
        _empty(api, place.namespace, lambda found: found.kind in FRAME, say)
        api.delete(f"/api/v1/namespaces/{place.namespace}")
        name = f"Namespace {place.namespace}"
        Waiting(api, say).until(lambda: {name: gone(api, place.namespace)}, GONE_SECONDS, 0.5)
    shutil.rmtree(place.directory, ignore_errors=True)
    with contextlib.suppress(OSError):  # there are others
        Path(place.directory).parent.rmdir()
    return places.changed(place, state="")


def _hold(api: Api, namespace: str) -> None:
    """Take the student's rights, which come with a place that is made anew: what is removed must not come again."""
    api.delete(f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings/{ACCOUNT}")


def _empty(api: Api, namespace: str, stays: Callable[[contents.Found], bool], say: Say) -> None:
    """Delete what is in a namespace, whatever holds it back, and wait until pods and volumes are gone."""
    for kind in contents.kinds(api):
        for found in kind.objects(api, namespace):
            if contents.is_made_by_itself(found, OWN_KINDS) or stays(found):
                continue
            if found.item["metadata"].get("finalizers") and found.kind != "PersistentVolumeClaim":
                _let_go(api, found.path)
            api.delete(found.path)
    Waiting(api, say).until(lambda: {"what was in it": _emptied(api, namespace)}, EMPTY_SECONDS, 0.5)


def _let_go(api: Api, path: str) -> None:
    """Take an object's finalizers: nobody is there who would answer them."""
    try:
        api.merge(path, {"metadata": {"finalizers": None}})
    except KubernetesError as error:
        if error.status != 404:
            raise


def _emptied(api: Api, namespace: str) -> Look:
    """See whether a namespace's pods are gone, which are hurried up, and its volumes."""
    pods = api.items(f"/api/v1/namespaces/{namespace}/pods")
    silent_nodes.let_go(api, pods)
    for pod in pods:
        path, metadata = path_of(pod), pod["metadata"]
        if metadata.get("finalizers"):
            _let_go(api, path)
        if metadata.get("deletionGracePeriodSeconds", GRACE_SECONDS + 1) > GRACE_SECONDS:
            api.delete(path, GRACE_SECONDS)
    claims = api.items(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims")
    return Look(not pods and not claims, f"{len(pods)} pods and {len(claims)} volumes still there")


def _ended(api: Api, namespace: str) -> Look:
    """See whether a namespace's pods have ended, each in its own time, of a minute at most."""
    pods = sleeping.running(api, namespace)
    sleeping.hurry(api, namespace, pods)
    silent_nodes.let_go(api, pods)
    return Look(not pods, f"{len(pods)} pods still there")


def _labelled(api: Api, path: str, student: str, room: str) -> list[dict[str, Any]]:
    try:
        return api.items(path, labelSelector=f"{register.STUDENT}={student},{ROOM}={room}")
    except KubernetesError as error:
        if error.status == 404:  # a cluster without a mesh
            return []
        raise


def leftovers(state_dir: str, there: Collection[str]) -> Iterator[Place]:
    """Give the places of which only files on the controller are left: a removal was killed."""
    directory = Path(state_dir) / places.STUDENTS
    for path in sorted(directory.iterdir()) if directory.is_dir() else []:
        if path.is_dir() and path.name not in there and places.NAME.fullmatch(path.name):
            yield places.of_student(path.name, state_dir)
