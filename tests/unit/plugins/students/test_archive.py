"""A student's work comes out of its file as it went in; any other file is refused in a sentence."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import archive
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.archive import ArchiveError, Work
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.records import Record

TAGS = {"aleph": ["0.1", "0.2", "0.3"], "beth": ["0.1", "0.3"]}
ROLLOUT = Record("rollout", "0.1", "0.3", (), 20)
WORK = Work(
    "anna",
    "blue",
    "20261126T160000Z",
    {"aleph": ROLLOUT.annotations, "beth": Record("promote", "0.3", None, ("0.1",)).annotations},
    [{"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "mine"}, "spec": {}}],
    {"aleph": [{"name": "lamp", "uid": 7, "type": "light", "price": 1.5}], "beth": []},
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    archive.write(tmp_path / "archives/anna.tar.gz", WORK)
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


def own(item: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda members: members["objects.json"].update(own=[item])


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
    archive.write(path, WORK)
    archive.write(path, dataclasses.replace(WORK, student="ben"))
    assert archive.read(path, TAGS).student == "ben"
    assert [each.name for each in tmp_path.iterdir()] == ["a.tar.gz"]
