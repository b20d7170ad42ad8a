# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One place made and proved, its kubeconfig used, its policies tried, its page and versions seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import silent_nodes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.appliance import Paths
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.deployments import Rollouts
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.namespaces import wait_for_leaving
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.pod_exec import Container
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.waiting import Look, WaitError, Waiting
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.places import Place
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import (
    access,
    credentials,
    intruder,
    objects,
    proof,
    register,
    sleeping,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.archive import OWN_KINDS
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.records import read_record

QUOTA_SECONDS, PAGE_SECONDS = 30.0, 30.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Class:
    """What all places of a class have in common.

    Attributes:
        room: the room's name.
        namespace: the room's own place, which is nobody's.
        manifests: the objects of a place, with objects.TOKEN for the student's name.
        services: the application's, as in `workshop_apps`.
        admin: the room's own kubeconfig.
        hours: how long a student's kubeconfig is good for.
        door: the URL of the door; empty where there is none.
        timeout: seconds for the pods of one place, and as many for the nodes to follow its policies.
        paths: where the API has the manifests' kinds.
    """

    room: str
    namespace: str
    manifests: Sequence[Mapping[str, Any]]
    services: Sequence[Mapping[str, Any]]
    admin: Mapping[str, Any]
    hours: int
    door: str
    timeout: float
    paths: Paths = field(default_factory=Paths)


def make(
    api: Api, place: Place, course: Class, outside: Container, say: Say, there: Callable[[], None] = lambda: None
) -> Place:
    """Make a place and prove it; what is there of it already stays, but for what differs.

    Args:
        outside: the intruder's pod.
        there: told once its namespace is.

    Returns:
        The place as it is handed out.

    Raises:
        WorkshopError: it cannot be made, or is not as it must be.
    """
    refuse_others(api, place, course.room)
    wait_for_leaving(api, Waiting(api, say), [place.namespace])
    begun = places.changed(place, state="making", cause="", made=place.made or credentials.text_of(credentials.now()))
    if api.find(f"/api/v1/namespaces/{place.namespace}"):  # it may be on its way to sleep
        register.note(api, begun)
        sleeping.end(api, place.namespace)
    wanted = objects.of_place(course.manifests, begun, course.room)
    deployments = [item for item in wanted if item["kind"] == "Deployment"]
    for item in wanted:
        if item is deployments[0]:
            _wait_for_quota(api, begun.namespace, say)
        api.apply(course.paths.of(item), item)
        if item["kind"] == "Namespace":
            register.note(api, begun)
            there()
    names = [item["metadata"]["name"] for item in deployments]
    fresh = not _has_stage(api, begun.namespace)
    return prove(api, with_credentials(api, begun, course), course, outside, names, say, fresh=fresh)


def _has_stage(api: Api, namespace: str) -> bool:
    """Tell whether a stage has led a place somewhere: it failed later, and is not back at its beginning."""
    return any(read_record(item) for item in api.items(OWN_KINDS["VirtualService"].format(namespace)))


def with_credentials(api: Api, place: Place, course: Class) -> Place:
    """Give a place whose kubeconfig lasts."""
    if credentials.lasts(api, place):
        return place
    return places.changed(place, expires=credentials.hand_out(api, place, course.admin, course.hours))


def prove(
    api: Api,
    place: Place,
    course: Class,
    outside: Container,
    deployments: Sequence[str],
    say: Say,
    *,
    fresh: bool = True,
) -> Place:
    """See that a place is as it must be, write that down, and give it as it is handed out.

    Args:
        deployments: those that are to run.
        fresh: whether it is at its beginning; else it is where its stage has led it.
    """
    student = Api.connect(place.kubeconfig, say=lambda _: None)
    access.prove(student, place.namespace)
    access.prove_admission(student, place.namespace, course.namespace)
    silent_nodes.refuse_lost_volumes(api, place.namespace)
    Rollouts(api, place.namespace, say).wait(deployments, course.timeout)
    seconds = intruder.prove(api, outside, place.namespace, course.timeout)
    say(f"its policies are in force ({seconds:.1f} s after its pods)")
    where = proof.page(api, place, course.services, course.door, PAGE_SECONDS)
    if fresh:
        proof.baseline(api, place, course.services)
    else:
        proof.stands(api, place, course.services)
    say(f"its page answers: {where}")
    page = f"{where.removesuffix(proof.PAGE)}/" if course.door else ""
    ready = places.changed(place, state="ready", cause="", page=page)
    register.note(api, ready)
    return ready


def refuse_others(api: Api, place: Place, room: str) -> None:
    """Refuse a namespace that is not this student's of this room.

    Raises:
        WorkshopError: it is somebody else's.
    """
    found = api.find(f"/api/v1/namespaces/{place.namespace}")
    if said := register.not_its(found, place, room):
        raise WorkshopError(said)


def refuse_taken(api: Api, wanted: Sequence[Place], room: str) -> None:
    """Refuse places of which one's namespace is somebody else's, before anything is made.

    Raises:
        WorkshopError: a sentence for each.
    """
    there = {item["metadata"]["name"]: item for item in api.items("/api/v1/namespaces")}
    if said := [text for place in wanted if (text := register.not_its(there.get(place.namespace), place, room))]:
        raise WorkshopError("\n".join([*said, "Nothing was changed."]))


def _wait_for_quota(api: Api, namespace: str, say: Say) -> None:
    """Wait until a quota counts: until then the API server refuses pods."""

    def look() -> dict[str, Look]:
        quotas = api.items(f"/api/v1/namespaces/{namespace}/resourcequotas")
        return {"its quota": Look(all((quota.get("status") or {}).get("hard") for quota in quotas), "not counted yet")}

    try:
        Waiting(api, say).until(look, QUOTA_SECONDS, 0.2)
    except WaitError as error:
        raise WorkshopError(f"The quota of {namespace} does not count after {QUOTA_SECONDS:g} s: {error}.") from error
