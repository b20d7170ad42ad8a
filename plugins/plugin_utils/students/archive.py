# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A student's work in one file: stages, own objects and devices, with a manifest by which it is judged before use.

A gzipped tar archive of three members: manifest.json (schema, whose it is, sha256 of the others), objects.json and
devices.json. What is read from one is believed in nothing: sizes, sums, shapes and versions are looked at first.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.records import Record, read_record

SCHEMA = "istio-workshop/archive/1"
MANIFEST, OBJECTS, DEVICES = "manifest.json", "objects.json", "devices.json"
# More than a student makes by hand; a file of somebody else's must not fill the memory.
MOST_BYTES = 64 * 2**20
# What a student can make (roles/student/templates/access.yml.j2), with the API that has it.
OWN_KINDS = {
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "DestinationRule": "/apis/networking.istio.io/v1/namespaces/{}/destinationrules",
    "VirtualService": "/apis/networking.istio.io/v1/namespaces/{}/virtualservices",
}
_DEVICE: dict[str, type | tuple[type, ...]] = {"name": str, "uid": int, "type": str, "price": (int, float)}


class ArchiveError(WorkshopError, ValueError):
    """A file that is no archive of ours, or not of this room's kind."""


@dataclass(frozen=True)
class Work:
    """What a student has made.

    Attributes:
        stages: by service, the annotations that its stage is remembered by (traffic/records.py).
        own: objects of the student's own, of OWN_KINDS.
        devices: by service.
    """

    student: str
    room: str
    made: str
    stages: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    own: list[dict[str, Any]] = field(default_factory=list)
    devices: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def records(self) -> dict[str, Record]:
        """Where each service stood."""
        found = {name: read_record({"metadata": {"annotations": notes}}) for name, notes in self.stages.items()}
        return {name: record for name, record in found.items() if record}


def write(path: Path, work: Work) -> None:
    """Write an archive, for its owner's eyes alone, whole or not at all."""
    members = {
        OBJECTS: _json({"stages": work.stages, "own": work.own}),
        DEVICES: _json(work.devices),
    }
    manifest = {
        "schema": SCHEMA,
        "student": work.student,
        "room": work.room,
        "made": work.made,
        "sha256": {name: hashlib.sha256(body).hexdigest() for name, body in members.items()},
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, body in {MANIFEST: _json(manifest), **members}.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(body), 0o600
            tar.addfile(member, io.BytesIO(body))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(packed.getvalue())
    new.replace(path)


def read(path: Path, tags: Mapping[str, Collection[str]]) -> Work:
    """Read an archive and judge it.

    Args:
        tags: the versions that each service of the application has.

    Raises:
        ArchiveError: it is cut, changed, of another kind, or names what this room does not have.
    """
    members = _unpacked(path)
    manifest = _object(path, members, MANIFEST)
    if manifest.get("schema") != SCHEMA:
        raise ArchiveError(
            f"{path} is an archive of the kind {manifest.get('schema')!r}, but this collection restores {SCHEMA}: "
            "restore it with the collection that has made it."
        )
    sums = manifest.get("sha256")
    for name in (OBJECTS, DEVICES):
        if not isinstance(sums, dict) or hashlib.sha256(members.get(name, b"")).hexdigest() != sums.get(name):
            raise ArchiveError(f"{path} was changed or cut: its {name} is not the one that its manifest names.")
    objects, devices = _object(path, members, OBJECTS), _object(path, members, DEVICES)
    work = Work(
        str(manifest.get("student")),
        str(manifest.get("room")),
        str(manifest.get("made")),
        objects.get("stages") or {},
        list(objects.get("own") or []),
        devices,
    )
    _judge(path, work, tags)
    return work


def _unpacked(path: Path) -> dict[str, bytes]:
    if not path.is_file():
        raise ArchiveError(f"There is no file {path}: name one that archive.yml has made with -e archive=FILE.")
    try:
        with gzip.open(path) as file:
            unpacked = file.read(MOST_BYTES + 1)
        if len(unpacked) > MOST_BYTES:
            raise ArchiveError(f"{path} holds more than {MOST_BYTES // 2**20} MiB: it is no student's work.")
        with tarfile.open(fileobj=io.BytesIO(unpacked)) as tar:
            files = {member.name: tar.extractfile(member) for member in tar if member.isfile()}
            return {name: file.read() for name, file in files.items() if file}
    except (OSError, EOFError, tarfile.TarError) as error:
        raise ArchiveError(f"{path} is no archive of archive.yml, or was cut ({error}): name a whole one.") from error


def _object(path: Path, members: Mapping[str, bytes], name: str) -> dict[str, Any]:
    try:
        found = json.loads(members.get(name, b""))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ArchiveError(f"{path} is no archive of archive.yml: it has no {name} that can be read.")
    return found


def _judge(path: Path, work: Work, tags: Mapping[str, Collection[str]]) -> None:
    """See that an archive says what can be restored here."""
    if not places.NAME.fullmatch(work.student):
        raise ArchiveError(f"{path} is of a student named {work.student!r}, which is no student's name.")
    for service in {*work.stages, *work.devices}:
        if service not in tags:
            raise ArchiveError(f"{path} has the service {service!r}, but this room's are: {', '.join(sorted(tags))}.")
    for service, record in work.records.items():
        named = {*record.tags, *record.previous}
        if unknown := sorted(named - {*tags[service]}):
            raise ArchiveError(
                f"{path} has {service} at the version {', '.join(unknown)}, but there is only "
                f"{', '.join(tags[service])} here: restore it into a room that has it."
            )
    if lost := sorted({*work.stages} - {*work.records}):
        raise ArchiveError(f"{path} has no stage of {', '.join(lost)} that can be read.")
    for item in work.own:
        if not isinstance(item, dict) or item.get("kind") not in OWN_KINDS or not _name(item):
            raise ArchiveError(f"{path} has an object that no student can make.")
    for service, devices in work.devices.items():
        if not isinstance(devices, list) or not all(map(_is_device, devices)):
            raise ArchiveError(f"{path} has a device of {service} that is none.")


def _name(item: Mapping[str, Any]) -> str:
    metadata = item.get("metadata")
    return str(metadata.get("name") or "") if isinstance(metadata, dict) else ""


def _is_device(device: Any) -> bool:
    return isinstance(device, dict) and all(isinstance(device.get(name), kind) for name, kind in _DEVICE.items())


def _json(data: Any) -> bytes:
    return json.dumps(data, indent=2, sort_keys=True).encode()
