"""Which room is meant, what it remembers, and the one sentence when it isn't there."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.rooms import (
    Purpose,
    Record,
    RoomError,
    Rooms,
    state_directory,
)


@pytest.fixture(autouse=True)
def nowhere_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: type("User", (), {"pw_dir": str(tmp_path / "real")}))


def some(directory: Path, *names: str) -> Rooms:
    """Rooms of these names; molecule's is for tests."""
    found = Rooms(directory / "rooms", "workshop")
    for name in names:
        found.write(name, Record(for_tests=name == "molecule"))
    return found


@pytest.mark.parametrize(
    ("there", "given", "purpose", "chosen"),
    [
        ([], None, "make", "workshop"),
        ([], "blue", "make", "blue"),
        ([], None, "remove", "workshop"),
        (["blue"], None, "use", "blue"),
        (["blue"], None, "make", "blue"),
        (["blue"], None, "remove", "blue"),
        (["blue"], "red", "make", "red"),
        (["blue"], "red", "remove", "red"),
        (["blue", "red"], "red", "use", "red"),
        (["blue", "workshop"], None, "use", "workshop"),
        (["blue", "workshop"], None, "change", "workshop"),
        (["molecule"], None, "make", "workshop"),
        (["molecule"], None, "remove", "workshop"),
        (["molecule"], "molecule", "remove", "molecule"),
        (["blue", "molecule"], None, "make", "blue"),
        (["blue", "molecule"], None, "remove", "blue"),
        (["molecule", "workshop"], None, "use", "workshop"),
    ],
)
def test_the_room_is_the_named_one_or_the_only_one_or_the_default(
    tmp_path: Path, there: list[str], given: str | None, purpose: Purpose, chosen: str
) -> None:
    assert some(tmp_path, *there).choose(given, purpose) == chosen


@pytest.mark.parametrize(
    ("there", "given", "purpose", "said"),
    [
        ([], None, "use", "There is no room 'workshop', and no other, in "),
        ([], "bleu", "change", "There is no room 'bleu', and no other, in "),
        (["blue"], "bleu", "use", "There is no room 'bleu', but blue: type -e workshop_name=blue, for example."),
        (["blue", "red"], "bleu", "use", "There is no room 'bleu', but blue, red: type -e workshop_name=blue"),
        (["blue", "red"], "../blue", "use", "There is no room '../blue', but blue, red"),
        *[(["blue", "red"], None, purpose, "There are several rooms, blue, red") for purpose in ("use", "remove")],
        (["molecule"], None, "use", "There is no room 'workshop', but molecule: type -e workshop_name=molecule"),
        (["blue", "molecule", "red"], None, "make", "There are several rooms, blue, red: say"),
    ],
)
def test_one_that_is_not_there_is_one_sentence(
    tmp_path: Path, there: list[str], given: str | None, purpose: Purpose, said: str
) -> None:
    with pytest.raises(RoomError) as refused:
        some(tmp_path, *there).choose(given, purpose)
    assert str(refused.value).startswith(said)
    assert "\n" not in str(refused.value)


def test_a_user_who_is_not_root_is_told_of_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "rooms are root's, so become root (sudo -s -H)" in some(tmp_path).missing("workshop")


def test_root_with_another_home_is_told_of_its_own(tmp_path: Path) -> None:
    own = Rooms(state_directory({"HOME": str(tmp_path / "real")}), "workshop")
    own.write("blue", Record())
    said = some(tmp_path).missing("workshop")
    assert said.endswith(f"; in {tmp_path}/real there are blue: type HOME={tmp_path}/real before the command.")


def test_a_half_made_room_is_one_without_a_memory(tmp_path: Path) -> None:
    found = some(tmp_path)
    (found.directory / "old").mkdir(parents=True)
    assert found.names() == []
    (found.directory / "old/bundle").symlink_to("nowhere")
    assert found.names() == ["old"]
    assert found.record("old") is None


def test_a_memory_is_its_owners_alone_and_goes_with_the_directory(tmp_path: Path) -> None:
    found = some(tmp_path)
    settings = {"workshop_front_node_port": "30090", "workshop_images": {"redis": "r"}}
    record = Record(settings, ("/etc/hosts.yml",), {"workshop_front_node_port": 30180}, for_tests=True, begun=False)
    found.write("blue", record)
    assert found.record("blue") == record
    assert stat.S_IMODE(found.path("blue").stat().st_mode) == 0o600
    assert stat.S_IMODE(found.path("blue").parent.stat().st_mode) == 0o700
    assert [path.name for path in found.path("blue").parent.iterdir()] == ["room.yml"]
    found.forget("blue")
    assert not found.path("blue").parent.exists()
    found.forget("blue")


def test_what_several_rooms_had_goes_with_the_last_one(tmp_path: Path) -> None:
    found = Rooms(tmp_path, "workshop")
    for name in ("blue", "green"):
        found.write(name, Record())
    (tmp_path / "class.json").write_text("{}")
    (found.path("blue").parent / "rooms.log").touch()
    found.forget("blue")
    assert not found.path("blue").parent.exists()
    assert (tmp_path / "class.json").exists()
    found.forget("green")
    assert not (tmp_path / "class.json").exists()


def test_what_others_keep_in_the_directory_stays(tmp_path: Path) -> None:
    found = some(tmp_path, "blue")
    (found.path("blue").parent / "notes").touch()
    found.forget("blue")
    assert (found.path("blue").parent / "notes").exists()


@pytest.mark.parametrize("text", ["", "settings: [", "settings: 3\ninventory: []", "inventory: []"])
def test_a_memory_that_somebody_broke_is_one_sentence(tmp_path: Path, text: str) -> None:
    found = some(tmp_path, "blue")
    found.path("blue").write_text(text)
    with pytest.raises(RoomError, match=r"room\.yml cannot be read \(.*\): mend it, or remove it"):
        found.record("blue")


def test_one_that_somebody_broke_does_not_hide_the_others(tmp_path: Path) -> None:
    found = some(tmp_path, "blue", "workshop")
    found.path("blue").write_text("")
    assert found.choose(None, "use") == "workshop"


def test_a_memory_of_before_is_read(tmp_path: Path) -> None:
    found = some(tmp_path, "blue")
    found.path("blue").write_text("settings: {}\ninventory: []\n")
    assert found.record("blue") == Record()


@pytest.mark.parametrize(
    ("environment", "directory"),
    [
        ({"HOME": "/h"}, "/h/.local/state/istio-workshop"),
        ({"HOME": "/h", "XDG_STATE_HOME": ""}, "/h/.local/state/istio-workshop"),
        ({"HOME": "/h", "XDG_STATE_HOME": "/s"}, "/s/istio-workshop"),
    ],
)
def test_rooms_are_where_the_setting_says(environment: dict[str, str], directory: str) -> None:
    assert str(state_directory(environment)) == directory


def test_without_home_they_are_in_the_users_own() -> None:
    """As of cron, or of a service."""
    assert str(state_directory({})) == f"{pwd.getpwuid(os.geteuid()).pw_dir}/.local/state/istio-workshop"


def test_a_user_without_an_account_has_no_rooms_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert "There is no room 'blue', and no other, in" in Rooms(tmp_path, "workshop").missing("blue")
