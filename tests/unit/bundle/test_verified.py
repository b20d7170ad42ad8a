"""A room reads its bundle once; afterwards sizes, times and places tell that nothing has happened to it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.small_kit import KEY, PROJECT, SmallKit
from tests.unit.bundle.conftest import MakeBuilder

from ansible_collections.istio_games.workshop.plugins.action import bundle_verify as bundle_verify_action
from ansible_collections.istio_games.workshop.plugins.action import kit as kit_action
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import contract, verified
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit import KitError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.verified import verify_once


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The bundles that were read completely."""
    done: list[Path] = []
    whole = contract.verify

    def noted(path: Path, progress: Callable[[str], None] | None) -> None:
        done.append(path)
        whole(path, progress)

    monkeypatch.setattr(verified, "verify", noted)
    return done


def test_it_is_read_once(bundle: Path, tmp_path: Path, reads: list[Path]) -> None:
    for _ in range(3):
        verify_once(bundle, tmp_path / "room/stamp")
    assert reads == [bundle]
    verify_once(bundle, tmp_path / "another room/stamp")
    verify_once(bundle, None)
    verify_once(bundle, None)
    assert len(reads) == 4


def same_size(bundle: Path) -> None:
    (bundle / "bin/kubernetes").write_text((bundle / "bin/kubernetes").read_text().upper())


def same_size_and_time(bundle: Path) -> None:
    """By another file in its place, with the first one's time."""
    file = bundle / "bin/kubernetes"
    before = file.stat()
    file.rename(bundle.parent / "old")
    file.write_text((bundle.parent / "old").read_text().upper())
    file.chmod(0o755)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def other_link(bundle: Path) -> None:
    (bundle / "bin/kubectl").unlink()
    (bundle / "bin/kubectl").symlink_to("sh")


def emptied(bundle: Path) -> None:
    shutil.rmtree(bundle)
    bundle.mkdir()


@pytest.mark.parametrize(
    "damage",
    [
        same_size,
        same_size_and_time,
        lambda bundle: (bundle / "bin/kubernetes").write_text("x"),
        lambda bundle: (bundle / "cni/cni").unlink(),
        lambda bundle: (bundle / "cni/cni").chmod(0o777),
        lambda bundle: (bundle / "bin/guest").touch(),
        lambda bundle: (bundle / "bin/guests").mkdir(),
        other_link,
        lambda bundle: (bundle / "lock.json").write_text("{}"),
        shutil.rmtree,
        emptied,
    ],
)
def test_what_happens_to_it_is_noticed(damage: Callable[[Path], Any], bundle: Path, tmp_path: Path) -> None:
    stamp = tmp_path / "stamp"
    verify_once(bundle, stamp)
    damage(bundle)
    for _ in range(2):
        with pytest.raises(BundleError):
            verify_once(bundle, stamp)
    assert not stamp.exists()


def lost_bits(bundle: Path) -> None:
    """What a bad disk does: the very file, of the same size and time."""
    file = bundle / "bin/kubernetes"
    before = file.stat()
    with file.open("r+b") as stream:
        stream.write(b"T")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(("check_mode", "believed"), [(False, False), (True, True)])
def test_what_bundle_verify_refuses_is_not_believed_afterwards(
    check_mode: bool, believed: bool, make: MakeBuilder, tmp_path: Path
) -> None:
    """It says that make up makes it again: so make up must not remember that it was good."""
    stamp = tmp_path / "room/stamp"
    builder = make(stamp=stamp)
    bundle = builder.ensure().path
    lost_bits(bundle)
    assert builder.refusal() is None
    action = object.__new__(bundle_verify_action.ActionModule)
    action._task, action.result = SimpleNamespace(check_mode=check_mode), {}
    for _ in range(2):
        with pytest.raises(BundleError, match=r"bin/kubernetes was changed: .* Type make up, which makes it again\.$"):
            action.act({"bundle": str(bundle), "stamp": str(stamp)})
    assert (builder.refusal() is None) == believed
    assert builder.ensure().changed != believed


def test_a_copy_is_read_again(bundle: Path, tmp_path: Path, reads: list[Path]) -> None:
    verify_once(bundle, tmp_path / "stamp")
    copy = shutil.copytree(bundle, tmp_path / bundle.name, symlinks=True)
    verify_once(copy, tmp_path / "stamp")
    assert reads == [bundle, copy]


def test_a_kit_and_its_bundle_are_read_once_on_the_way_in(
    tmp_path: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """scripts/take_kit.py has unpacked it; the role kit reads it and remembers that, and the role bundle goes by it."""
    kit = SmallKit.make(tmp_path)
    monkeypatch.setattr(verified, "verify", lambda path, progress=None: reads.append(path))
    monkeypatch.setattr(kit_action, "Builder", lambda *_: SimpleNamespace(key=KEY))
    bundle, stamp = kit.take(kit.file).bundle, tmp_path / "room/bundle.verified"
    action = object.__new__(kit_action.ActionModule)
    action._task, action.result = SimpleNamespace(check_mode=True), {}
    given = {"kit": str(kit.file), "key": "", "login": "", "ca": "", "project": str(PROJECT), "stamp": str(stamp)}
    given["cache_dir"] = str(tmp_path / "cache")
    assert action.act({**given}) == {"changed": False, "path": str(bundle)}
    assert not stamp.exists(), "check mode remembers nothing"
    action._task.check_mode = False
    for _ in range(2):
        assert action.act(given) == {"changed": False, "path": str(bundle)}
    verified.verify_once(bundle, stamp)
    assert reads == [bundle, bundle]
    (bundle / "bin/kubernetes").touch()
    action.act(given)
    assert reads == [bundle, bundle, bundle]


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_kit_with_another_bundle_than_this_project_needs_is_refused_first(tmp_path: Path, check_mode: bool) -> None:
    """Of the same pins, but of what builds them there may be another revision."""
    kit = SmallKit.make(tmp_path)
    action = object.__new__(kit_action.ActionModule)
    action._task, action.result = SimpleNamespace(check_mode=check_mode), {}
    given = dict.fromkeys(("key", "login", "ca", "stamp"), "")
    with pytest.raises(KitError, match=rf"holds the bundle {KEY}, and this project needs [0-9a-f]{{16}}: make it anew"):
        action.act({**given, "kit": str(kit.file), "project": str(PROJECT), "cache_dir": str(tmp_path / "cache")})
    assert kit.state() == []


def test_a_stamp_of_rubbish_says_nothing(bundle: Path, tmp_path: Path, reads: list[Path]) -> None:
    (tmp_path / "stamp").write_bytes(b"\xff")
    verify_once(bundle, tmp_path / "stamp")
    assert reads == [bundle]


def test_check_mode_leaves_no_stamp_but_reads_one(make: MakeBuilder, tmp_path: Path, reads: list[Path]) -> None:
    make().ensure()
    for stamp, read in ((tmp_path / "room/stamp", 1), (tmp_path / "stamp", 0)):
        if not read:
            make(stamp=stamp).ensure()
        reads.clear()
        assert not make(stamp=stamp).ensure(check_mode=True).changed
        assert len(reads) == read
    assert not (tmp_path / "room").exists()


def test_a_stamp_that_cannot_be_written_is_no_fault_of_the_bundle(make: MakeBuilder, tmp_path: Path) -> None:
    make().ensure()
    (tmp_path / "file").touch()
    assert not make(stamp=tmp_path / "file/stamp").ensure().changed


def test_a_bundle_that_goes_while_it_is_read_is_made_again(make: MakeBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make().ensure().path
    whole = contract.verify

    def gone(path: Path, progress: Callable[[str], None] | None) -> None:
        monkeypatch.setattr(verified, "verify", whole)
        shutil.rmtree(path)
        raise FileNotFoundError(2, "No such file or directory", str(path / "bin"))

    monkeypatch.setattr(verified, "verify", gone)
    again = make().ensure()
    assert (again.path, again.changed) == (first, True)
