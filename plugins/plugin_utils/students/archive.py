# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A student's work in one file: stages, own objects and devices, with a manifest by which it is judged before use.

A gzipped tar archive of three members: manifest.json (schema, whose it is, sha256 of the others), objects.json and
devices.json. What is read from one is believed in nothing: sizes, sums, shapes and versions are looked at first, and of
an object what we write is taken, and nothing else.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import tarfile
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.paths import is_file
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.records import Record, read_record

SCHEMA = "istio-workshop/archive/1"
MANIFEST, OBJECTS, DEVICES = MEMBERS = ("manifest.json", "objects.json", "devices.json")
# More than a student makes by hand; a file of somebody else's must not fill the memory.
MOST_BYTES = 64 * 2**20
# What a student can make (roles/student/templates/access.yml.j2), with the API that has it.
OWN_KINDS = {
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "DestinationRule": "/apis/networking.istio.io/v1/namespaces/{}/destinationrules",
    "VirtualService": "/apis/networking.istio.io/v1/namespaces/{}/virtualservices",
}
# What the API server keeps of an object, and what is ours of its metadata, is no part of somebody's work.
_KEPT = ("labels", "annotations")
_OBJECT_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)
# A size in a tar archive.
_OCTAL = re.compile(rb" *([0-7]{1,12})[ \0]*")
# As a backend takes it (services/common/device_backend/device.py); a truth value is no number.
_DEVICE: dict[str, tuple[type, ...]] = {"name": (str,), "uid": (int,), "type": (str,), "price": (int, float)}
_LONGEST_TEXT, _LARGEST_UID, _LARGEST_PRICE = 50, 2**63 - 1, 1.7e308


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


def write(path: Path, work: Work, tags: Mapping[str, Collection[str]]) -> None:
    """Write an archive, for its owner's eyes alone, whole or not at all.

    Args:
        tags: the versions that each service of the application has.

    Raises:
        ArchiveError: it would be one that is not read again.
    """
    try:
        _judge(f"The work of {work.student}", work, tags)
    except ArchiveError as error:
        raise ArchiveError(
            f"{error} It could not be restored, so that no archive was written: put the place right with "
            f"ansible-playbook playbooks/goto.yml -e student={work.student} -e stage=baseline (or another stage), and "
            "archive it again."
        ) from error
    members = {
        OBJECTS: _json({"stages": work.stages, "own": work.own}),
        DEVICES: _json(work.devices),
    }
    if sum(map(len, members.values())) > MOST_BYTES - 2**20:  # what else is in it takes less
        raise ArchiveError(
            f"The work of {work.student} is more than the {MOST_BYTES // 2**20 - 1} MiB that an archive holds: remove "
            "devices that nobody needs."
        )
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
    fields: dict[str, Any] = {name: manifest.get(name) for name in ("student", "room", "made")}
    fields |= {name: objects.get(name) for name in ("stages", "own")}
    work = Work(**fields, devices=devices)
    _judge(str(path), work, tags)
    return replace(work, own=[object_of(item["kind"], item) for item in work.own])


def object_of(kind: str, item: Mapping[str, Any]) -> dict[str, Any]:
    """Give what somebody wrote of an object of OWN_KINDS."""
    metadata = item["metadata"]
    _, _, *version = OWN_KINDS[kind].partition("/namespaces/")[0].split("/")
    return {
        "apiVersion": "/".join(version),
        "kind": kind,
        "metadata": {"name": metadata["name"], **{key: metadata[key] for key in _KEPT if metadata.get(key)}},
        "spec": item.get("spec"),
    }


def is_device(device: Any) -> bool:
    """Tell whether a backend would take a device."""
    return bool(
        isinstance(device, dict)
        and device.keys() == _DEVICE.keys()
        and all(type(device[name]) in kinds for name, kinds in _DEVICE.items())
        and all(0 < len(device[name]) <= _LONGEST_TEXT for name in ("name", "type"))
        and "/" not in device["name"]
        and abs(device["uid"]) <= _LARGEST_UID
        and abs(device["price"]) <= _LARGEST_PRICE
    )


def _unpacked(path: Path) -> dict[str, bytes]:
    if not is_file(path):
        raise ArchiveError(f"There is no file {path}: name one that archive.yml has made with -e archive=FILE.")
    try:
        with gzip.open(path) as file:
            unpacked = file.read(MOST_BYTES + 1)
        if len(unpacked) > MOST_BYTES:
            raise ArchiveError(f"{path} holds more than {MOST_BYTES // 2**20} MiB: it is no student's work.")
        return {name: body for name, body in _plain_files(unpacked) if name in MEMBERS}
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ArchiveError(f"{path} is no archive of archive.yml, or was cut ({error}): name a whole one.") from error


def _plain_files(unpacked: bytes) -> Iterator[tuple[str, bytes]]:
    """Give name and contents of each plain file of a tar archive (pax(1), "ustar Interchange Format").

    Python's own reader takes what is packed twice for one archive, and unpacks that without a bound; before 3.11.14 it
    goes on for ever with a size below nothing (CVE-2025-8194).
    """
    at = 0
    while any(header := unpacked[at : at + tarfile.BLOCKSIZE]):
        size = _OCTAL.fullmatch(header[124:136])
        if not size:
            raise ValueError(f"byte {at} begins no file of a tar archive")
        at += tarfile.BLOCKSIZE
        body = unpacked[at : at + int(size[1], 8)]
        if len(body) < int(size[1], 8):
            raise ValueError("it ends before its last file does")
        at += -(-len(body) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
        if header[156:157] in (tarfile.REGTYPE, tarfile.AREGTYPE):
            yield header[:100].partition(b"\0")[0].decode("latin-1"), body


def _object(path: Path, members: Mapping[str, bytes], name: str) -> dict[str, Any]:
    try:
        found = json.loads(members.get(name, b""))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ArchiveError(f"{path} is no archive of archive.yml: it has no {name} that can be read.")
    return found


def _judge(path: str, work: Work, tags: Mapping[str, Collection[str]]) -> None:
    """See that an archive says what can be restored here."""
    if not isinstance(work.student, str) or not places.NAME.fullmatch(work.student):
        raise ArchiveError(f"{path} is of a student named {work.student!r}, which is no student's name.")
    if strange := _misshapen(work):
        raise ArchiveError(f"{path} is no archive of archive.yml: what it has of {strange} is not as that writes it.")
    for service in {*work.stages, *work.devices}:
        if service not in tags:
            raise ArchiveError(f"{path} has the service {service!r}, but this room's are: {', '.join(sorted(tags))}.")
    for service, record in work.records.items():
        before = record.before.previous if record.before else ()
        named = {*record.tags, *record.previous, *before}
        if unknown := sorted(named - {*tags[service]}):
            raise ArchiveError(
                f"{path} has {service} at the version {', '.join(map(_plain, unknown))}, but there is only "
                f"{', '.join(tags[service])} here: a room that has it is needed."
            )
    if lost := sorted({*work.stages} - {*work.records}):
        raise ArchiveError(f"{path} has no stage of {', '.join(lost)} that can be read.")
    if not all(map(_is_own, work.own)):
        raise ArchiveError(f"{path} has an object that no student can make.")
    _refuse_twice(path, "", [f"{item['kind']} {item['metadata']['name']}" for item in work.own])
    for service, devices in work.devices.items():
        if not all(map(is_device, devices)):
            raise ArchiveError(f"{path} has a device of {service} that is none.")
        _refuse_twice(path, f"{service}'s ", [device["name"] for device in devices])


def _misshapen(work: Work) -> str:
    """Name the first part of an archive that is of another kind than what is written; empty if none is."""
    shapes = {
        "its room": isinstance(work.room, str) and work.room.isprintable(),
        "its time": isinstance(work.made, str) and work.made.isprintable(),
        "stages": isinstance(work.stages, dict) and all(map(_is_texts, work.stages.values())),
        "own objects": isinstance(work.own, list),
        "devices": all(isinstance(devices, list) for devices in work.devices.values()),
    }
    return next((name for name, good in shapes.items() if not good), "")


def _is_own(item: Any) -> bool:
    """Tell whether a student could have made an object."""
    metadata = item.get("metadata") if isinstance(item, dict) else None
    return bool(
        isinstance(metadata, dict)
        and isinstance(item.get("kind"), str)
        and item["kind"] in OWN_KINDS
        and isinstance(metadata.get("name"), str)
        and _OBJECT_NAME.fullmatch(metadata["name"])
        and all(_is_texts(metadata.get(key) or {}) for key in _KEPT)
        and isinstance(item.get("spec"), dict)
    )


def _is_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _refuse_twice(path: str, of: str, names: list[str]) -> None:
    if twice := sorted(name for name, number in Counter(names).items() if number > 1):
        raise ArchiveError(f"{path} has {of}{', '.join(map(_plain, twice[:5]))} more than once.")


def _plain(text: str) -> str:
    return text if text.isprintable() else repr(text)


def _json(data: Any) -> bytes:
    return json.dumps(data, indent=2, sort_keys=True).encode()
