"""The host is put back as it was, and what is not ours stays."""

from __future__ import annotations

import dataclasses
import functools
import json
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.module_utils.nodes import firewall, host_record, host_settings
from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.host_record import HostRecord, RecordError
from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.host_settings import HostSettings


def test_settings_are_raised_and_never_lowered() -> None:
    assert host_settings.to_raise({"a": "128", "b": "9000"}, {"a": 1024, "b": 1024, "unknown": 5}) == {"a": 1024}


def test_a_setting_is_a_file() -> None:
    assert host_settings.sysctl_path("net.ipv4.ip_forward") == Path("/proc/sys/net/ipv4/ip_forward")


@pytest.mark.parametrize(
    ("name", "before", "now", "back"),
    [
        ("vm.overcommit_memory", "0", "1", True),  # the kubelet's
        ("vm.overcommit_memory", "0", "2", False),  # an administrator's since
        ("vm.overcommit_memory", "2", "2", False),
        ("kernel.panic", "0", "10", True),
        ("kernel.panic", "0", "60", False),
        ("net.ipv4.ip_forward", "0", "1", True),
        ("fs.inotify.max_user_instances", "128", "1024", True),  # this room's
        ("fs.inotify.max_user_instances", "128", "8192", False),
        ("fs.inotify.max_user_instances", "128", "256", False),
        ("unknown.by.now", "1", "", False),
    ],
)
def test_a_setting_goes_back_where_it_still_is_a_rooms(name: str, before: str, now: str, back: bool) -> None:
    record = HostRecord(sysctls={name: before}, chains={}, mounts=[], raised={"fs.inotify.max_user_instances": "1024"})
    settings, left = host_settings.to_restore(record, {name: now} if now else {})
    assert settings == ({name: before} if back else {})
    kept = f"{name} stays {now}: it was {before} before the first room, and no room has set it."
    assert left == ([] if back or now in {"", before} else [kept])


class FakeHost:
    """A host whose kernel settings are files."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.rooms: list[dict[str, Any]] = []
        self.set("fs.inotify.max_user_instances", "128")
        self.set("net.ipv4.ip_forward", "0")
        monkeypatch.setattr(host_settings, "sysctl_path", self.path)
        monkeypatch.setattr(host_settings, "podman_strictly", lambda *arguments: self.rooms)
        monkeypatch.setattr(firewall, "saved_firewall", lambda command: "")
        monkeypatch.setattr(host_settings, "mountpoints", set)
        self.forwarders: list[str] = []
        monkeypatch.setattr(host_settings, "forwarders", lambda: self.forwarders)

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
    return lambda room="blue", dry_run=False: HostSettings(
        str(tmp_path / "record" / "host.json"), room, dry_run=dry_run
    )


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
    host.rooms = [{"Names": ["green-control-plane"], "Labels": {"istio-workshop": "green"}}]
    blue = settings()
    blue.restore()
    assert blue.done == []
    assert blue.left == [
        "The settings of this machine stay raised for the room green: ansible-playbook playbooks/teardown.yml "
        "-e workshop_name=green takes it down."
    ]
    assert host.value("fs.inotify.max_user_instances") == "1024"


def test_forwarding_stays_while_others_have_bridges_or_tunnels(
    host: FakeHost, settings: Callable[..., HostSettings]
) -> None:
    settings().prepare(LEAST, [])
    host.set("net.ipv4.ip_forward", "1")
    host.forwarders = ["docker0", "wg0"]
    last = settings()
    last.restore()
    assert last.left == ["net.ipv4.ip_forward stays 1: docker0, wg0 may need it by now (it was 0)."]
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


def test_a_room_that_is_only_beginning_keeps_its_settings(
    host: FakeHost, settings: Callable[..., HostSettings]
) -> None:
    settings("blue").prepare(LEAST, [])
    settings("green").prepare(LEAST, [])  # nothing of it can be seen yet
    settings("blue").restore()
    assert host.value("fs.inotify.max_user_instances") == "1024"
    settings("green").restore()
    assert host.value("fs.inotify.max_user_instances") == "128"


def test_what_somebody_changed_since_is_told_and_left(host: FakeHost, settings: Callable[..., HostSettings]) -> None:
    settings().prepare(LEAST, [])
    host.set("fs.inotify.max_user_instances", "8192")
    last = settings()
    last.restore()
    assert host.value("fs.inotify.max_user_instances") == "8192"
    assert last.left == [
        "fs.inotify.max_user_instances stays 8192: it was 128 before the first room, and no room has set it."
    ]
    assert not last.path.exists()


def test_an_older_rooms_record_is_put_back_as_it_was_promised(
    host: FakeHost, settings: Callable[..., HostSettings]
) -> None:
    last = settings()
    last.path.parent.mkdir()
    sysctls = {"fs.inotify.max_user_instances": "128", "net.ipv4.ip_forward": "0"}
    chains: dict[str, list[str]] = {"iptables": [], "ip6tables": []}
    last.path.write_text(json.dumps({"sysctls": sysctls, "modules": [], "chains": chains, "mounts": []}))
    host.set("fs.inotify.max_user_instances", "1024")
    last.restore()
    assert host.value("fs.inotify.max_user_instances") == "128"


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"sysctls": 1}', "\0"])
def test_a_record_that_cannot_be_read_is_a_sentence(settings: Callable[..., HostSettings], content: str) -> None:
    path = settings().path
    path.parent.mkdir()
    path.write_text(content)
    prepare = functools.partial(settings().prepare, LEAST, [])
    for act in (prepare, settings().restore):
        with pytest.raises(RecordError, match=r"host\.json does not hold what this machine was like .* move it away"):
            act()
        assert path.read_text() == content


def two_at_once(first: Callable[[], object], second: Callable[[], object]) -> None:
    """Begin two things at the same moment; both must end well."""
    start = threading.Barrier(2)

    def after_start(act: Callable[[], object]) -> None:
        start.wait()
        act()

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(after_start, act) for act in (first, second)]:
            future.result(timeout=20)


def test_two_first_rooms_at_once_keep_what_was_there_before(
    host: FakeHost, settings: Callable[..., HostSettings]
) -> None:
    for _ in range(25):
        two_at_once(lambda: settings("blue").prepare(LEAST, []), lambda: settings("green").prepare(LEAST, []))
        record = host_record.load(settings().path)
        assert record is not None
        assert (record.sysctls["fs.inotify.max_user_instances"], record.rooms) == ("128", ["blue", "green"])
        two_at_once(lambda: settings("blue").restore(), lambda: settings("green").restore())
        assert host.value("fs.inotify.max_user_instances") == "128"
        assert not settings().path.parent.exists()


def test_a_room_that_begins_while_the_last_one_ends_gets_its_settings(
    host: FakeHost, settings: Callable[..., HostSettings]
) -> None:
    for _ in range(25):
        settings("blue").prepare(LEAST, [])
        two_at_once(lambda: settings("blue").restore(), lambda: settings("green").prepare(LEAST, []))
        assert host.value("fs.inotify.max_user_instances") == "1024"
        settings("green").restore()
        assert host.value("fs.inotify.max_user_instances") == "128"


@pytest.mark.parametrize("nft", [True, False])
def test_an_empty_table_goes_where_there_is_an_nft(
    host: FakeHost, settings: Callable[..., HostSettings], monkeypatch: pytest.MonkeyPatch, *, nft: bool
) -> None:
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr(firewall, "saved_firewall", lambda command: "*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n")
    monkeypatch.setattr(host_settings, "run", lambda *command: ran.append(command))
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/sbin/{name}" if nft else None)
    settings().prepare(LEAST, [])
    # Before the first room there was no such table.
    record = host_record.load(settings().path)
    assert record
    host_record.store(settings().path, dataclasses.replace(record, chains={"iptables": [], "ip6tables": []}))
    last = settings()
    last.restore()
    assert [command[1] for command in ran] == (
        ["add table ip nat; delete table ip nat", "add table ip6 nat; delete table ip6 nat"] if nft else []
    )
    assert [line.partition(":")[0] for line in last.left] == (
        [] if nft else ["iptables's table nat stays, and is empty", "ip6tables's table nat stays, and is empty"]
    )
