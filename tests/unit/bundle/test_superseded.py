"""Of a cache, what is of other pins and of no room is said, and removed when asked; nothing of somebody else is."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.small_kit import SmallKit
from tests.unit.bundle.conftest import MakeBuilder

from ansible_collections.istio_games.workshop.plugins.action import bundle as bundle_action
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import superseded as module
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.builder import Builder
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.rooms import Record, RoomError, Rooms

OLD = "0123456789abcdef"
PARTS = ("parts/go-etcd-0", "parts/go-etcd-0.json")
LEFT = ("building/refused-1", ".kit-abc", "go-build", "go-mod")
PULLED = ("kits/pulled/2.kit", "kits/pulled/2.json", "kits/pulled/3.part")


@pytest.fixture
def builder(make: MakeBuilder, tmp_path: Path) -> Builder:
    """One whose bundle is there, beside another bundle, a part of other pins, and a kit's manifest."""
    made = make()
    made.ensure()
    for name in (
        *(f"bundles/{OLD}/bin/kubernetes", "parts/go-etcd-0/etcd", "parts/go-etcd-0.json", "kits/1.json"),
        *("building/refused-1/lock.json", ".kit-abc/bin/kubernetes", "go-build/00/0-d", "go-mod/a/go.mod"),
        *("kits/pulled/2.kit", "kits/pulled/2.json", "kits/pulled/3.part"),
    ):
        path = tmp_path / "cache" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(1 << 20))
    return made


def names(cache: Path) -> set[str]:
    return {str(path.relative_to(cache)) for path in cache.rglob("*")}


def test_what_is_superseded_goes_and_nothing_else(builder: Builder, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    gone = {f"bundles/{OLD}", "parts/go-etcd-0", "parts/go-etcd-0.json", "kits/1.json", *LEFT, *PULLED}
    below = {
        f"bundles/{OLD}/bin",
        f"bundles/{OLD}/bin/kubernetes",
        "parts/go-etcd-0/etcd",
        "building/refused-1/lock.json",
    }
    below |= {
        ".kit-abc/bin",
        ".kit-abc/bin/kubernetes",
        "go-build/00",
        "go-build/00/0-d",
        "go-mod/a",
        "go-mod/a/go.mod",
    }
    found = builder.superseded([])
    assert {str(path.relative_to(cache)) for path in found.paths} == gone
    assert found.size == 11 << 20
    before = names(cache)
    builder.prune([])
    assert names(cache) == before - gone - below
    assert builder.refusal() is None
    assert builder.missing() == []
    assert builder.superseded([]) == module.Superseded((), 0)


def test_a_file_that_what_stays_has_too_frees_nothing(builder: Builder, tmp_path: Path) -> None:
    old = tmp_path / "cache/bundles" / OLD / "bin"
    os.link(builder.path / "bin/kubernetes", old / "shared")
    os.link(old / "kubernetes", tmp_path / "cache/parts/go-etcd-0/kubernetes")
    assert builder.superseded([]).size == 11 << 20


def test_a_rooms_bundle_stays(builder: Builder, tmp_path: Path) -> None:
    link = tmp_path / "room/bundle"
    link.parent.mkdir()
    link.symlink_to(tmp_path / "cache/bundles" / OLD)
    paths = builder.prune([link, tmp_path / "another room/bundle"]).paths
    assert {str(path.relative_to(tmp_path / "cache")) for path in paths} == {*PARTS, *LEFT, *PULLED}
    assert (link / "bin/kubernetes").is_file()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.symlink_to(tmp_path / "other cache/bundles" / OLD)
    assert OLD in {path.name for path in builder.superseded([elsewhere]).paths}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user, whom root alone can be")
def test_what_somebody_else_has_put_there_stays(builder: Builder, tmp_path: Path) -> None:
    os.chown(tmp_path / "cache/bundles" / OLD, 65534, 65534)
    paths = builder.superseded([]).paths
    assert {str(path.relative_to(tmp_path / "cache")) for path in paths} == {*PARTS, *LEFT, *PULLED}


def test_a_cache_of_two_paths_is_one(builder: Builder, tmp_path: Path) -> None:
    """A room's bundle stays also where the cache had another name when the room was made."""
    other, link = tmp_path / "other", tmp_path / "room/bundle"
    other.symlink_to("cache")
    link.parent.mkdir()
    for target in (other / "bundles" / OLD, Path("../other/bundles") / OLD, tmp_path / "cache/parts/../bundles" / OLD):
        link.symlink_to(target)
        assert module.of_rooms(tmp_path / "cache", [link]) == {OLD}, target
        assert module.of_rooms(other, [link]) == {OLD}, target
        link.unlink()
    link.symlink_to(link)
    assert module.of_rooms(tmp_path / "cache", [link]) == set()


def test_what_leads_elsewhere_goes_alone(builder: Builder, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "below").mkdir(parents=True, mode=0o700)
    (outside / "file").write_bytes(bytes(1 << 20))
    (tmp_path / "cache/bundles/fedcba9876543210").symlink_to(outside)
    assert builder.prune([]).size < 12 << 20
    assert (outside / "file").is_file()
    assert oct((outside / "below").stat().st_mode & 0o777) == "0o700"
    assert not os.path.lexists(tmp_path / "cache/bundles/fedcba9876543210")


def test_go_s_caches_stay_where_that_is_said(make: MakeBuilder, builder: Builder, tmp_path: Path) -> None:
    kept = {path.name for path in make(keep_go_caches=True).superseded([]).paths}
    assert {path.name for path in builder.superseded([]).paths} - kept == {"go-build", "go-mod"}


@pytest.mark.parametrize("stays", [True, False])
def test_a_pulled_kit_stays_with_its_bundle(stays: bool, builder: Builder, tmp_path: Path) -> None:
    pulled = tmp_path / "cache/kits/pulled"
    small = SmallKit.make(tmp_path / "small")
    small.write(bundle=builder.key if stays else OLD)
    small.file.rename(pulled / "4.kit")
    for name in ("4.json", "4.kit.minisig"):
        (pulled / name).touch()
    builder.prune([])
    assert {path.name for path in pulled.iterdir()} == ({"4.kit", "4.json", "4.kit.minisig"} if stays else set())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user, whom root alone can be")
def test_a_cache_that_cannot_be_written_is_one_sentence(builder: Builder, tmp_path: Path) -> None:
    for directory in (tmp_path, *tmp_path.parents):
        directory.chmod(stat.S_IMODE(directory.stat().st_mode) | 0o055)
    (tmp_path / "cache/lock").unlink()
    os.seteuid(65534)
    try:
        with pytest.raises(BundleError, match=r"^Nothing can be removed: .*/lock cannot be written: Permission denied"):
            builder.prune([])
    finally:
        os.seteuid(0)


def test_a_room_says_where_its_bundle_is(tmp_path: Path) -> None:
    rooms = Rooms(tmp_path, "workshop")
    rooms.write("blue", Record())
    rooms.write("green", Record({"workshop_state_dir": "/srv/green"}))
    rooms.write("red", Record({"workshop_bundle_dir": "/srv/bundle"}))
    assert rooms.bundles() == [tmp_path / "blue/bundle", Path("/srv/green/bundle"), Path("/srv/bundle")]
    rooms.path("red").write_text("[")
    with pytest.raises(RoomError, match="cannot be read"):
        rooms.bundles()


class TestAction:
    """What the task says and does."""

    @pytest.fixture
    def said(self, monkeypatch: pytest.MonkeyPatch, builder: Builder, tmp_path: Path) -> list[str]:
        lines: list[str] = []
        monkeypatch.setattr(bundle_action, "say", lines.append)
        monkeypatch.setattr(bundle_action, "Builder", lambda *_, **__: builder)
        monkeypatch.setattr(bundle_action, "WORTH_SAYING", 1 << 20)
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        return lines

    def act(self, prune: bool, check_mode: bool = False) -> dict[str, Any]:
        action = object.__new__(bundle_action.ActionModule)
        action._task, action.result = SimpleNamespace(check_mode=check_mode), {}
        given = {
            "supply": str(Path(__file__).parents[3] / "supply"),
            "cache_dir": "/none",
            "prune": prune,
            "origin": "auto",
        }
        return action.act(
            {**dict.fromkeys(("kit", "stamp", "debian_mirror", "update_lock", "keep_go_caches"), ""), **given}
        )

    def test_says_how_much_there_is_and_what_removes_it(self, said: list[str], tmp_path: Path) -> None:
        before = names(tmp_path / "cache")
        assert not self.act(prune=False)["changed"]
        assert said[-1].startswith(
            "bundle: the cache has 0.0 GB of other bundles and parts, or left by killed runs, which no"
        )
        assert said[-1].endswith("ansible-playbook playbooks/bundle.yml -e bundle_prune=true removes them")
        assert self.act(prune=True, check_mode=True)["changed"]
        assert names(tmp_path / "cache") == before
        assert self.act(prune=True)["changed"]
        assert f"bundles/{OLD}" not in names(tmp_path / "cache")
        assert not self.act(prune=True)["changed"]
        assert "other bundles" not in said[-1]

    def test_a_kit_in_check_mode_would_bring_the_bundle(self, said: list[str], builder: Builder) -> None:
        shutil.rmtree(builder.path)
        action = object.__new__(bundle_action.ActionModule)
        action._task, action.result = SimpleNamespace(check_mode=True), {}
        given = dict.fromkeys(("stamp", "debian_mirror", "update_lock", "keep_go_caches", "prune"), "")
        supply = str(Path(__file__).parents[3] / "supply")
        given |= {"supply": supply, "cache_dir": "/none", "origin": "auto", "kit": "/media/a.kit"}
        assert action.act(given)["changed"]
        assert not builder.path.exists()

    def test_keeps_to_itself_where_a_room_cannot_be_read(self, said: list[str], tmp_path: Path) -> None:
        record = tmp_path / "state/istio-workshop/blue/room.yml"
        record.parent.mkdir(parents=True)
        record.write_text("[")
        assert not self.act(prune=False)["changed"]
        with pytest.raises(RoomError, match="cannot be read"):
            self.act(prune=True)


def test_of_kits_packages_beside_the_project_the_last_ones_stay(tmp_path: Path) -> None:
    kit = SmallKit.make(tmp_path)
    first = kit.take(kit.file).extras
    kit.write(suites={"bookworm": "3.11", "trixie": "3.13"})
    second = kit.take(kit.file).extras
    assert first
    assert second
    assert first != second
    assert [path for path in first.parent.iterdir() if path.is_dir()] == [second]
