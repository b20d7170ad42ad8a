"""Of a cache, what is of other pins and of no room is said, and removed when asked; nothing of somebody else is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.small_kit import SmallKit
from tests.unit.bundle.conftest import MakeBuilder

from ansible_collections.istio_games.workshop.plugins.action import bundle as bundle_action
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import superseded as module
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.builder import Builder
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.rooms import Record, RoomError, Rooms

OLD = "0123456789abcdef"


@pytest.fixture
def builder(make: MakeBuilder, tmp_path: Path) -> Builder:
    """One whose bundle is there, beside another bundle, a part of other pins, and a kit's manifest."""
    made = make()
    made.ensure()
    for name in (
        *(f"bundles/{OLD}/bin/kubernetes", "parts/go-etcd-0/etcd", "parts/go-etcd-0.json", "kits/1.json"),
        "building/refused-1/lock.json",
    ):
        path = tmp_path / "cache" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(1 << 20))
    return made


def names(cache: Path) -> set[str]:
    return {str(path.relative_to(cache)) for path in cache.rglob("*")}


def test_what_is_superseded_goes_and_nothing_else(builder: Builder, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    gone = {f"bundles/{OLD}", "parts/go-etcd-0", "parts/go-etcd-0.json", "kits/1.json", "building/refused-1"}
    below = {f"bundles/{OLD}/bin", f"bundles/{OLD}/bin/kubernetes", "parts/go-etcd-0/etcd"}
    below.add("building/refused-1/lock.json")
    found = builder.superseded([])
    assert {str(path.relative_to(cache)) for path in found.paths} == gone
    assert found.size == 5 << 20
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
    assert builder.superseded([]).size == 5 << 20


def test_a_rooms_bundle_stays(builder: Builder, tmp_path: Path) -> None:
    link = tmp_path / "room/bundle"
    link.parent.mkdir()
    link.symlink_to(tmp_path / "cache/bundles" / OLD)
    paths = builder.prune([link, tmp_path / "another room/bundle"]).paths
    assert {path.name for path in paths} == {"go-etcd-0", "go-etcd-0.json", "refused-1"}
    assert (link / "bin/kubernetes").is_file()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.symlink_to(tmp_path / "other cache/bundles" / OLD)
    assert OLD in {path.name for path in builder.superseded([elsewhere]).paths}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user, whom root alone can be")
def test_what_somebody_else_has_put_there_stays(builder: Builder, tmp_path: Path) -> None:
    os.chown(tmp_path / "cache/bundles" / OLD, 65534, 65534)
    assert {path.name for path in builder.superseded([]).paths} == {"go-etcd-0", "go-etcd-0.json", "refused-1"}


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
            "bundle: the cache has 0.0 GB of other bundles and parts, which no room of yours uses:"
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
