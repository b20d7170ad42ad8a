"""The host is put back as it was, and what is not ours stays."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.module_utils.nodes import host_settings
from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.host_settings import HostSettings

SAVED = """*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:NETAVARK_FORWARD - [0:0]
:MINE - [0:0]
-A INPUT -j MINE
-A FORWARD -m comment --comment "netavark firewall plugin rules" -j NETAVARK_FORWARD
-A NETAVARK_FORWARD -d 10.89.0.0/24 -j ACCEPT
COMMIT
*nat
:POSTROUTING ACCEPT [0:0]
:NETAVARK-HOSTPORT-MASQ - [0:0]
-A POSTROUTING -j NETAVARK-HOSTPORT-MASQ
COMMIT
"""


def test_podmans_chains_go_and_other_rules_stay() -> None:
    removals = [" ".join(words) for words in host_settings.firewall_removals(SAVED, ["filter INPUT", "filter MINE"])]
    assert removals == [
        "-t filter -D FORWARD -m comment --comment netavark firewall plugin rules -j NETAVARK_FORWARD",
        "-t nat -D POSTROUTING -j NETAVARK-HOSTPORT-MASQ",
        "-t filter -F NETAVARK_FORWARD",
        "-t nat -F NETAVARK-HOSTPORT-MASQ",
        "-t filter -X NETAVARK_FORWARD",
        "-t nat -X NETAVARK-HOSTPORT-MASQ",
    ]


EMPTY = "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n"


@pytest.mark.parametrize(
    ("saved", "before", "empty"),
    [
        (EMPTY, [], ["filter", "nat"]),
        (EMPTY, ["filter INPUT"], ["nat"]),
        (SAVED, [], []),
        (EMPTY.replace("INPUT ACCEPT", "INPUT DROP"), [], ["nat"]),
        (EMPTY.replace("[0:0]\nCOMMIT", "[0:0]\n-A INPUT -j LOG\nCOMMIT", 1), [], ["nat"]),
    ],
)
def test_only_empty_tables_that_came_later_go(saved: str, before: list[str], empty: list[str]) -> None:
    assert host_settings.empty_tables(saved, before) == empty


def test_chains_that_were_there_before_stay() -> None:
    before = sorted(host_settings.declared_chains(SAVED))
    assert host_settings.firewall_removals(SAVED, before) == []


def test_settings_are_raised_and_never_lowered() -> None:
    assert host_settings.to_raise({"a": "128", "b": "9000"}, {"a": 1024, "b": 1024, "unknown": 5}) == {"a": 1024}
    assert host_settings.to_restore({"a": "128", "b": "1"}, {"a": "1024", "b": "1"}) == {"a": "128"}


class FakeHost:
    """A host whose kernel settings are files."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.rooms: list[dict[str, Any]] = []
        self.set("fs.inotify.max_user_instances", "128")
        self.set("net.ipv4.ip_forward", "0")
        monkeypatch.setattr(host_settings, "sysctl_path", self.path)
        monkeypatch.setattr(host_settings, "podman_strictly", lambda *arguments: self.rooms)
        monkeypatch.setattr(host_settings, "saved_firewall", lambda command: "")
        monkeypatch.setattr(host_settings, "mountpoints", set)
        self.bridges: list[str] = []
        monkeypatch.setattr(host_settings, "bridges", lambda: self.bridges)

    def path(self, name: str) -> Path:
        return self.root / name

    def set(self, name: str, value: str) -> None:
        self.path(name).write_text(value)

    def value(self, name: str) -> str:
        return self.path(name).read_text()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    return FakeHost(tmp_path, monkeypatch)


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., HostSettings]:
    return lambda dry_run=False: HostSettings(str(tmp_path / "record" / "host.json"), dry_run=dry_run)


LEAST = {"fs.inotify.max_user_instances": 1024}


def test_a_host_is_prepared_once_and_put_back(host: FakeHost, settings: Callable[..., HostSettings]) -> None:
    first = settings()
    first.prepare(LEAST, [])
    assert first.done
    assert host.value("fs.inotify.max_user_instances") == "1024"
    again = settings()
    again.prepare(LEAST, [])
    assert again.done == []

    host.set("net.ipv4.ip_forward", "1")  # Podman does this
    last = settings()
    last.restore()
    assert host.value("fs.inotify.max_user_instances") == "128"
    assert host.value("net.ipv4.ip_forward") == "0"
    assert not last.path.parent.exists()
    once_more = settings()
    once_more.restore()
    assert once_more.done == []


def test_nothing_is_put_back_while_a_room_is_left(host: FakeHost, settings: Callable[..., HostSettings]) -> None:
    settings().prepare(LEAST, [])
    host.rooms = [{"Names": ["blue-control-plane"]}]
    other = settings()
    other.restore()
    assert other.done == []
    assert host.value("fs.inotify.max_user_instances") == "1024"


def test_forwarding_stays_while_others_have_bridges(host: FakeHost, settings: Callable[..., HostSettings]) -> None:
    settings().prepare(LEAST, [])
    host.set("net.ipv4.ip_forward", "1")
    host.bridges = ["docker0"]
    settings().restore()
    assert host.value("net.ipv4.ip_forward") == "1"
    assert host.value("fs.inotify.max_user_instances") == "128"


def test_a_dry_run_tells_and_changes_nothing(host: FakeHost, settings: Callable[..., HostSettings]) -> None:
    trial = settings(dry_run=True)
    trial.prepare(LEAST, [])
    assert "raise fs.inotify.max_user_instances to 1024" in trial.done
    assert host.value("fs.inotify.max_user_instances") == "128"
    assert not trial.path.exists()


def test_a_setting_of_the_users_own_is_raised_and_put_back(
    host: FakeHost, settings: Callable[..., HostSettings]
) -> None:
    host.set("vm.max_map_count", "65530")
    settings().prepare(LEAST, [])
    settings().prepare({"vm.max_map_count": 262144}, [])
    assert host.value("vm.max_map_count") == "262144"
    settings().restore()
    assert host.value("vm.max_map_count") == "65530"


def test_the_record_is_the_first_rooms(host: FakeHost, settings: Callable[..., HostSettings]) -> None:
    settings().prepare(LEAST, [])
    later = settings()
    later.prepare({"fs.inotify.max_user_instances": 2048}, [])
    assert json.loads(later.path.read_text())["sysctls"]["fs.inotify.max_user_instances"] == "128"
