# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A student's work, read from a place and put into another one: stages, own objects, and each backend's devices."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import PREFIX
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.pod_exec import ready_container
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.port_forward import (
    PodUnreachableError,
    PortForward,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.app_services import version_label
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.places import Place
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.archive import (
    MOST_BYTES,
    OWN_KINDS,
    Work,
    is_device,
    object_of,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.live import is_edited
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.records import read_record
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import (
    built_tags,
    is_ours,
    staged_services,
)

ROUTES = {"VirtualService", "DestinationRule"}
PAGE = 1000
# A student may have put something else in a backend's place, which tells devices without end.
DEVICES_SECONDS = 120.0

Services = Sequence[Mapping[str, Any]]


def work_of(api: Api, place: Place, services: Services, deployments: Collection[str], room: str, made: str) -> Work:
    """Read a student's work.

    Args:
        services: the application's, as in `workshop_apps`.
        deployments: names of the application's own, in all versions.
        made: the time (RFC 3339).

    Raises:
        WorkshopError: a backend does not tell its devices.
    """
    staged = staged_services(services)
    stages, own = {}, []
    for kind, path in OWN_KINDS.items():
        for item in api.items(path.format(place.namespace)):
            name = item["metadata"]["name"]
            if kind == "VirtualService" and name in staged and is_ours(item) and read_record(item):
                notes = item["metadata"].get("annotations") or {}
                stages[name] = {key: value for key, value in notes.items() if key.startswith(PREFIX)}
            if kind in ROUTES and is_edited({"kind": kind, **item}):
                own.append(object_of(kind, item))
            if kind == "Deployment" and name not in deployments:
                own.append(object_of(kind, item))
    devices = {name: _devices(api, place.namespace, data) for name, data in staged.items()}
    return Work(place.name, room, made, stages, own, devices)


def without_stage(api: Api, place: Place, services: Services, work: Work) -> list[str]:
    """Say which services run versions of a stage of which there is no record any more, so that it is not archived."""
    running = {
        str(item["metadata"]["name"])
        for item in api.items(f"/apis/apps/v1/namespaces/{place.namespace}/deployments")
        if item["spec"].get("replicas", 1)
    }
    said = []
    for name, data in staged_services(services).items():
        first = str(data["versions"][0])
        further = [tag for tag in built_tags(data) if tag != first and f"{name}-{version_label(tag)}" in running]
        if name not in work.stages and further:
            said.append(
                f"{place.name}: {name} runs {', '.join(further)}, but what its stage was stands nowhere any more, so "
                "that it is archived without one: lead it there again with ansible-playbook playbooks/goto.yml "
                f"-e student={place.name} -e service={name} -e stage=... and archive it again."
            )
    return said


def refuse_used(api: Api, place: Place, services: Services, deployments: Collection[str], work: Work) -> bool:
    """Refuse a place in which somebody has worked, unless it is this work, half restored.

    Args:
        deployments: names of the application's own, in all versions.

    Returns:
        Whether the services stand where the archive has them already, with routes of the student's own, which a stage
        would refuse to go over.

    Raises:
        WorkshopError: somebody has, or the work would write over the application.
    """
    if theirs := sorted(name for kind, name in map(_key, work.own) if kind == "Deployment" and name in deployments):
        raise WorkshopError(
            f"The archive of {work.student} has {', '.join(theirs)} as the student's own, but that is the "
            "application's: it was changed, or is of a room with another application. Nothing was changed."
        )
    there = work_of(api, place, services, deployments, "", "")
    specs = {_key(item): item["spec"] for item in work.own}
    found = [f"it has its own {kind} {name}" for kind, name in _others(there.own, specs)]
    for service, devices in there.devices.items():
        archived = {each["name"]: each for each in work.devices.get(service, [])}
        others = [each["name"] for each in devices if archived.get(each["name"]) != each]
        found += [f"{service} has {len(others)} devices that are not in the archive"] if others else []
    for service, record in there.records.items():
        if record.stage != "baseline" and record != work.records.get(service):
            found.append(f"{service} is at {record.stage.replace('_', ' ')}")
    if found:
        raise WorkshopError(
            f"{place.name}'s place is in use ({'; '.join(found)}): give it back new with ansible-playbook "
            f"playbooks/reset.yml -e student={place.name}, or restore into another one with -e student=NAME."
        )
    return there.records == work.records and any(item["kind"] in ROUTES for item in there.own)


def _others(own: list[dict[str, Any]], specs: Mapping[tuple[str, str], Any]) -> list[tuple[str, str]]:
    """Name those of a place's own objects that are not so in an archive."""
    return [key for item in own if (key := _key(item)) not in specs or specs[key] != item["spec"]]


def _key(item: Mapping[str, Any]) -> tuple[str, str]:
    return str(item["kind"]), str(item["metadata"]["name"])


def restore_devices(api: Api, place: Place, services: Services, work: Work, check_mode: bool) -> int:
    """Add the devices that are not there yet, but in check mode; give how many."""
    added = 0
    for service, data in staged_services(services).items():
        there = {each["name"] for each in _devices(api, place.namespace, data)}
        missing = [each for each in work.devices.get(service, []) if each["name"] not in there]
        for device in [] if check_mode else missing:
            with _Backend(api, place.namespace, data) as backend:
                backend.post("/devices", device)
        added += len(missing)
    return added


def restore_own(api: Api, place: Place, work: Work, check_mode: bool) -> tuple[list[str], list[str]]:
    """Make a student's own objects, but in check mode, with the student's own rights: an archive makes nothing else.

    Args:
        api: by the student's kubeconfig.

    Returns:
        The objects that were made or written (in check mode, would be), and a sentence for each that was refused.
    """
    made, refused = [], []
    for item in work.own:
        kind, name = item["kind"], item["metadata"]["name"]
        path = OWN_KINDS[kind].format(place.namespace)
        body = {**item, "metadata": {**item["metadata"], "namespace": place.namespace}}
        try:
            live = api.find(f"{path}/{name}")
            if live and live.get("spec") == item.get("spec"):
                continue
            if live is None and not check_mode:
                api.create(path, body)
            elif live and not check_mode:
                api.merge(f"{path}/{name}", {"spec": _changes(live.get("spec"), item.get("spec"))})
            made.append(f"{kind} {name}")
        except KubernetesError as error:
            refused.append(f"{kind} {name} was not restored: {error}")
    return made, refused


def _changes(live: Any, wanted: Any) -> Any:
    """Give the merge patch (RFC 7386) that makes one value of another."""
    if not isinstance(live, Mapping) or not isinstance(wanted, Mapping):
        return wanted
    gone = dict.fromkeys(live.keys() - wanted.keys())
    return {**gone, **{key: _changes(live.get(key), value) for key, value in wanted.items()}}


class _Backend(PortForward):
    """A connection to one of a service's pods, beside its proxy, for one request: backends close it after a POST."""

    def __init__(self, api: Api, namespace: str, data: Mapping[str, Any]) -> None:
        name = str(data["name"])
        pod = ready_container(api, namespace, f"app={name}", name).pod
        super().__init__(api, namespace, pod, int(data["container_port"]))

    def __enter__(self) -> _Backend:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _devices(api: Api, namespace: str, data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Read every device of a backend, page by page."""
    found: list[dict[str, Any]] = []
    after: str | None = ""
    deadline, size = time.monotonic() + DEVICES_SECONDS, 0
    try:
        while after is not None:
            if time.monotonic() > deadline:
                raise ValueError(f"it names further ones after {DEVICES_SECONDS:g} s")
            with _Backend(api, namespace, data) as backend:
                answer = backend.get(f"/devices?limit={PAGE}&after={quote(after, safe='')}")
            size += len(answer)
            if size > MOST_BYTES:
                raise ValueError(f"it names more than the {MOST_BYTES // 2**20} MiB that an archive holds")
            page = json.loads(answer)
            found += page["devices"]
            after = page["next"]
        if not all(map(is_device, found)):
            raise ValueError("it names something that is no device")
    except (PodUnreachableError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise WorkshopError(f"{data['name']} in {namespace} does not tell its devices: {error}") from error
    return found
