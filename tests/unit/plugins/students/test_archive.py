"""A student's work comes out of its file as it went in; any other file is refused in a sentence."""

from __future__ import annotations

import bz2
import dataclasses
import gzip
import hashlib
import io
import json
import lzma
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import archive
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.archive import ArchiveError, Work
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.records import Record

TAGS = {"aleph": ["0.1", "0.2", "0.3"], "beth": ["0.1", "0.3"]}
ROLLOUT = Record("rollout", "0.1", "0.3", (), 20)
UNPROVED = Record("rollout", "0.1", "0.3", (), 20, False, Record("promote", "0.1", None, ("0.8",)))
MINE = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "mine"}, "spec": {}}
LAMP = {"name": "lamp", "uid": 7, "type": "light", "price": 1.5}
WORK = Work(
    "anna",
    "blue",
    "20261126T160000Z",
    {"aleph": ROLLOUT.annotations, "beth": Record("promote", "0.3", None, ("0.1",)).annotations},
    [MINE],
    {"aleph": [LAMP], "beth": []},
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    archive.write(tmp_path / "archives/anna.tar.gz", WORK, TAGS)
    return tmp_path / "archives/anna.tar.gz"


def test_it_comes_out_as_it_went_in(file: Path) -> None:
    found = archive.read(file, TAGS)
    assert found == WORK
    assert found.records["aleph"] == ROLLOUT
    assert found.records["beth"].previous == ("0.1",)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def again(file: Path, change: Callable[[dict[str, Any]], Any], seal: bool = True) -> None:
    """Pack a file anew with other contents, their sums right unless `seal` is false."""
    with tarfile.open(file) as tar:
        members = {each.name: json.loads(tar.extractfile(each).read()) for each in tar}  # type: ignore[union-attr]
    change(members)
    bodies = {name: json.dumps(data).encode() for name, data in members.items()}
    if seal and archive.MANIFEST in members:
        sums = {name: hashlib.sha256(body).hexdigest() for name, body in bodies.items() if name != archive.MANIFEST}
        bodies[archive.MANIFEST] = json.dumps({**members[archive.MANIFEST], "sha256": sums}).encode()
    with tarfile.open(file, "w:gz") as tar:
        for name, body in bodies.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))


def own(*items: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda members: members["objects.json"].update(own=[*items])


def named(name: str, **more: Any) -> dict[str, Any]:
    return {**MINE, "metadata": {"name": name, **more}}


def device(**fields: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda members: members["devices.json"].update(aleph=[{**LAMP, **fields}])


OTHERS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "another schema": (
        lambda m: m["manifest.json"].update(schema="istio-workshop/archive/9"),
        "of the kind 'istio-workshop/archive/9'",
    ),
    "no manifest": (lambda m: m.pop("manifest.json"), "has no manifest.json that can be read"),
    "no devices": (lambda m: m.pop("devices.json"), "was changed or cut: its devices.json"),
    "a version that is not there": (
        lambda m: m["objects.json"]["stages"]["beth"].update({"workshop.istio-games/stable": "0.9"}),
        "has beth at the version 0.9",
    ),
    "a service that is not there": (lambda m: m["devices.json"].update(gimel=[]), "has the service 'gimel'"),
    "a stage that is none": (
        lambda m: m["objects.json"]["stages"]["beth"].update({"workshop.istio-games/stage": "party"}),
        "has no stage of beth that can be read",
    ),
    "a device that is none": (
        lambda m: m["devices.json"].update(aleph=[{"name": "x"}]),
        "a device of aleph that is none",
    ),
    "another's name": (lambda m: m["manifest.json"].update(student="../../etc"), "which is no student's name"),
    "a right": (own({"kind": "RoleBinding", "metadata": {"name": "x"}}), "an object that no student can make"),
    "no object": (own("text"), "an object that no student can make"),
    "an object without a name": (own({"kind": "Deployment", "metadata": {}}), "an object that no student can make"),
    "an object of a kind that is none": (own({**MINE, "kind": ["Deployment"]}), "an object that no student can make"),
    "an object with a path for a name": (own(named("../../secrets/x")), "an object that no student can make"),
    "an object with an address for a name": (own(named("x?dryRun=All")), "an object that no student can make"),
    "an object with labels that are none": (own(named("x", labels=["a"])), "an object that no student can make"),
    "an object without a spec": (own({**MINE, "spec": None}), "an object that no student can make"),
    "an object twice": (own(MINE, MINE), "has VirtualService mine more than once"),
    "objects that are no list": (lambda m: m["objects.json"].update(own=7), "what it has of own objects is not as"),
    "stages that are a list": (lambda m: m["objects.json"].update(stages=["aleph"]), "what it has of stages is not as"),
    "a stage that is text": (lambda m: m["objects.json"]["stages"].update(aleph="x"), "what it has of stages is not"),
    "no stages": (lambda m: m["objects.json"].pop("stages"), "what it has of stages is not as"),
    "devices that are no list": (lambda m: m["devices.json"].update(aleph={}), "what it has of devices is not as"),
    "a time that moves the cursor": (lambda m: m["manifest.json"].update(made="\x1b[2J"), "what it has of its time"),
    "a name that is no text": (lambda m: m["manifest.json"].update(student=["anna"]), "which is no student's name"),
    "a version to go back to that is not there": (
        lambda m: m["objects.json"]["stages"].update(aleph=UNPROVED.annotations),
        "has aleph at the version 0.8",
    ),
    "a version that moves the cursor": (
        lambda m: m["objects.json"]["stages"]["beth"].update({"workshop.istio-games/stable": "\x1b[2J"}),
        r"has beth at the version '\x1b[2J'",
    ),
    "a device with more": (device(owner="x"), "a device of aleph that is none"),
    "a device whose number is a truth": (device(uid=True), "a device of aleph that is none"),
    "a device whose number no database holds": (device(uid=2**63), "a device of aleph that is none"),
    "a device without an end of its price": (device(price=float("inf")), "a device of aleph that is none"),
    "a device whose price is no number": (device(price=float("nan")), "a device of aleph that is none"),
    "a device without a name": (device(name=""), "a device of aleph that is none"),
    "a device with a long name": (device(name="x" * 51), "a device of aleph that is none"),
    "a device with a path": (device(name="a/b"), "a device of aleph that is none"),
    "a device twice": (lambda m: m["devices.json"].update(aleph=[LAMP, LAMP]), "has aleph's lamp more than once"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_what_cannot_be_restored_here_is_refused(file: Path, case: str) -> None:
    change, sentence = OTHERS[case]
    again(file, change)
    with pytest.raises(ArchiveError) as refused:
        archive.read(file, TAGS)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_was_changed_is_seen(file: Path) -> None:
    again(file, lambda members: members["devices.json"].update(aleph=[]), seal=False)
    with pytest.raises(ArchiveError, match="was changed or cut"):
        archive.read(file, TAGS)


def test_what_was_cut_is_seen_wherever_it_is_cut(file: Path) -> None:
    whole = file.read_bytes()
    for length in (0, 1, 10, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:length])
        with pytest.raises(ArchiveError, match=r"or was cut|cut:|can be read"):
            archive.read(file, TAGS)


def test_what_was_damaged_is_seen_wherever_it_is_damaged(file: Path) -> None:
    whole = file.read_bytes()
    for place in range(len(whole)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        # Of gzip's header, some bytes mean nothing.
        with suppress(ArchiveError):
            assert archive.read(file, TAGS) == WORK


def test_of_an_object_what_we_write_is_taken(file: Path) -> None:
    item = named("mine", namespace="ben", finalizers=["a/b"], ownerReferences=[{}], labels={"a": "b"})
    again(file, own({**item, "apiVersion": "v1", "status": {}, "more": 1}))
    (found,) = archive.read(file, TAGS).own
    assert found == {**MINE, "metadata": {"name": "mine", "labels": {"a": "b"}}}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_what_is_no_plain_file_is_not_read(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "link.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo(archive.MANIFEST)
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    with pytest.raises(ArchiveError, match=r"has no manifest\.json that can be read"):
        archive.read(path, TAGS)


def test_a_file_that_says_it_is_all_holes_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    member = tarfile.TarInfo(archive.MANIFEST)
    member.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": str(2**27)}
    path = tmp_path / "holes.tar.gz"
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(member, io.BytesIO())
    monkeypatch.setattr(tarfile.TarFile, "extractfile", lambda *_: pytest.fail("it would fill the memory"))
    with pytest.raises(ArchiveError, match=r"has no manifest\.json that can be read"):
        archive.read(path, TAGS)


def test_what_is_nested_without_end_is_refused(tmp_path: Path) -> None:
    path, body = tmp_path / "deep.tar.gz", b"[" * 200_000
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo(archive.MANIFEST)
        member.size = len(body)
        tar.addfile(member, io.BytesIO(body))
    with pytest.raises(ArchiveError, match=r"has no manifest\.json that can be read"):
        archive.read(path, TAGS)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_what_is_packed_twice_is_not_unpacked_without_a_bound(file: Path, pack: Callable[[bytes], bytes]) -> None:
    file.write_bytes(gzip.compress(pack(gzip.decompress(file.read_bytes()))))
    with pytest.raises(ArchiveError, match=r"is no archive of archive\.yml"):
        archive.read(file, TAGS)


def header(name: str, size: bytes, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A tar archive's header with a size as it stands there, and a right sum."""
    made = bytearray(tarfile.TarInfo(name).tobuf(tarfile.USTAR_FORMAT))
    made[124:136], made[156:157], made[148:156] = size.ljust(12, b"\0"), kind, b" " * 8
    made[148:156] = b"%06o\0 " % sum(made)
    return bytes(made)


# As GNU tar writes a size that is too large, or too small: it leads back to the header itself.
BACK = (2**96 - tarfile.BLOCKSIZE).to_bytes(12, "big")
EMPTY = header("empty", b"%011o" % 0)
ENDLESS: dict[str, bytes] = {
    "a size below nothing": EMPTY + header(archive.MANIFEST, BACK),
    "a size below nothing of a kind that is not known": EMPTY + header("x", BACK, b"Z"),
    "a size with a sign": header(archive.MANIFEST, b"-0000000512"),
    "no size": header(archive.MANIFEST, b""),
    "a size beyond the end": header(archive.MANIFEST, b"7" * 11),
    "half a header": header(archive.MANIFEST, b"0" * 11)[:100],
}


@pytest.mark.parametrize("case", ENDLESS)
@pytest.mark.timeout(20)
def test_what_has_no_end_is_refused_at_once(tmp_path: Path, case: str) -> None:
    path = tmp_path / "endless.tar.gz"
    path.write_bytes(gzip.compress(ENDLESS[case]))
    with pytest.raises(ArchiveError, match=r"is no archive of archive\.yml"):
        archive.read(path, TAGS)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_what_somebody_has_packed_anew_is_read(file: Path, form: int) -> None:
    """With other members, owners and times, whatever the tool."""
    with tarfile.open(file) as old:
        bodies = {member.name: old.extractfile(member).read() for member in old}  # type: ignore[union-attr]
    with tarfile.open(file, "w:gz", format=form) as new:
        for name, body in {"notes/" + "x" * 90: b"x", **bodies}.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.uname = len(body), 1764316800, "somebody"
            new.addfile(member, io.BytesIO(body))
    assert archive.read(file, TAGS) == WORK


def test_more_than_is_read_again_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_BYTES", 2**20 + 100)
    with pytest.raises(ArchiveError, match="The work of anna is more than"):
        archive.write(tmp_path / "a.tar.gz", WORK, TAGS)
    assert not [*tmp_path.iterdir()]


def test_no_file_no_archive_and_a_bomb_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="There is no file"):
        archive.read(tmp_path / "none", TAGS)
    text = tmp_path / "text"
    text.write_text("hello")
    with pytest.raises(ArchiveError, match=r"is no archive of archive\.yml"):
        archive.read(text, TAGS)
    bomb = tmp_path / "bomb"
    bomb.write_bytes(gzip.compress(bytes(archive.MOST_BYTES + 1)))
    with pytest.raises(ArchiveError, match="more than 64 MiB"):
        archive.read(bomb, TAGS)


def test_two_of_a_name_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    archive.write(path, WORK, TAGS)
    archive.write(path, dataclasses.replace(WORK, student="ben"), TAGS)
    assert archive.read(path, TAGS).student == "ben"
    assert [each.name for each in tmp_path.iterdir()] == ["a.tar.gz"]


UNREADABLE: dict[str, tuple[dict[str, Any], str]] = {
    "a version that the student has written": (
        {"stages": {"aleph": Record("rollout", "9.9", "0.3", (), 20).annotations}},
        "has aleph at the version 9.9",
    ),
    "a past that the student has written": (
        {"stages": {"aleph": Record("promote", "0.3", None, ("nothing",)).annotations}},
        "has aleph at the version nothing",
    ),
    "a device twice": ({"devices": {"aleph": [LAMP, LAMP]}}, "has aleph's lamp more than once"),
    "an object without a spec": ({"own": [{**MINE, "spec": None}]}, "has an object that no student can make"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_could_not_be_restored_is_not_written_as_if_it_could(tmp_path: Path, case: str) -> None:
    changes, said = UNREADABLE[case]
    path = tmp_path / "anna.tar.gz"
    with pytest.raises(ArchiveError, match=f"The work of anna {said}") as refused:
        archive.write(path, dataclasses.replace(WORK, **changes), TAGS)
    assert "goto.yml -e student=anna" in str(refused.value)
    assert not path.exists()
