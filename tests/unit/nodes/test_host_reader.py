"""What a host offers is read from the kernel's and Podman's own words."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.module_utils.nodes import host_reader
from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.host_check import Listener, Needs, Port

PROC_CGROUPS = (
    "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t1\t1\t1\ncpuset\t3\t1\t1\nmemory\t4\t1\t0\npids\t8\t1\t1\n"
)


def test_unified_cgroups(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    assert host_reader.read_cgroups(tmp_path) == ("unified", frozenset({"cpuset", "cpu", "io", "memory", "pids"}))


@pytest.mark.parametrize(("directories", "mode"), [(["unified"], "hybrid"), ([], "legacy")])
def test_older_cgroups(tmp_path: Path, directories: list[str], mode: str) -> None:
    for name in ["cpu,cpuacct", "cpuset", "memory", "pids", *directories]:
        (tmp_path / name).mkdir()
    table = tmp_path / "table"
    table.write_text(PROC_CGROUPS)
    assert host_reader.read_cgroups(tmp_path, table) == (mode, frozenset({"cpu", "cpuset", "pids"}))


def test_capabilities_and_memory() -> None:
    assert host_reader.read_capabilities("Name:\tx\nCapEff:\t000001fffeffffff\n") == 0x1FFFEFFFFFF
    assert host_reader.read_memory("MemTotal: 100 kB\nMemAvailable:    4194304 kB\n") == 4096


def test_networks_behind_a_gateway_or_of_pods_are_not_connected() -> None:
    routes = [
        {"dst": "default", "gateway": "192.0.2.1", "dev": "eth0"},
        {"dst": "192.0.2.0/24", "dev": "eth0"},
        {"dst": "10.244.1.0/24", "gateway": "192.0.2.11", "dev": "eth0", "protocol": "17"},
        {"dst": "10.244.9.0/24", "gateway": "192.0.2.1", "dev": "eth0", "protocol": "static"},
        {"dst": "203.0.113.7", "gateway": "192.0.2.1", "dev": "eth0", "protocol": "dhcp"},
        {"dst": "0.0.0.0/1", "dev": "tun0"},
        {"dst": "128.0.0.0/1", "dev": "tun0"},
        {"dst": "10.244.0.0/24", "dev": "kube-bridge"},
        {"type": "unreachable", "dst": "10.244.0.0/16"},
        {"dst": "10.8.0.1", "dev": "tun0"},
    ]
    assert list(host_reader.connected_networks(routes)) == ["192.0.2.0/24", "10.8.0.1/32"]
    assert list(host_reader.routed_networks(routes)) == ["10.244.9.0/24", "203.0.113.7/32"]


def test_link_local_addresses_are_of_no_use() -> None:
    link = {"addr_info": [{"local": "192.0.2.2", "scope": "global"}, {"local": "fe80::1", "scope": "link"}]}
    assert list(host_reader.read_addresses([link])) == ["192.0.2.2"]


def test_published_ports_tell_whose_they_are() -> None:
    containers: list[dict[str, Any]] = [
        {
            "Names": ["blue-control-plane"],
            "Labels": {"istio-workshop": "blue"},
            "Ports": [{"host_port": 6443, "range": 1}],
        },
        {"Names": ["web"], "Labels": None, "State": "running", "Ports": [{"host_port": 8080, "range": 2}]},
        {"Names": ["old"], "Labels": {}, "State": "exited", "Ports": [{"host_port": 9090}]},
    ]
    assert dict(host_reader.published_ports(containers)) == {
        6443: Listener(6443, "the container blue-control-plane of the room blue", "blue"),
        8080: Listener(8080, "the container web"),
        8081: Listener(8081, "the container web"),
    }


def test_a_port_that_a_program_holds_is_found_with_the_program() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        (found,) = host_reader.find_listeners("127.0.0.1", [Port(number)], [])
    assert found.port == number
    assert "(process " in found.who
    assert list(host_reader.find_listeners("127.0.0.1", [Port(number)], [])) == []


@pytest.mark.parametrize("is_node", [False, True])
def test_a_machine_that_is_a_node_holds_its_ports_itself(monkeypatch: pytest.MonkeyPatch, is_node: bool) -> None:
    monkeypatch.setattr(host_reader, "find_nodes", lambda needs, _: needs.nodes if is_node else ())
    with socket.create_server(("127.0.0.1", 0)) as server:
        needs = Needs("", ("worker-1",), "0.0.0.0", (Port(server.getsockname()[1]),), {}, 0, {})
        assert bool(host_reader.read_host(needs, {}).listeners) is not is_node


@pytest.mark.parametrize(
    ("now", "raised", "pids"), [(32768, 131072, 131072), (131072, 131072, 131072), (32768, 0, 32768)]
)
def test_a_room_has_the_same_limits_before_and_after_the_machine_is_prepared(
    monkeypatch: pytest.MonkeyPatch, now: int, raised: int, pids: int
) -> None:
    """Else the second run would make its nodes anew."""
    read = host_reader.read
    monkeypatch.setattr(
        host_reader, "read", lambda path, default: f"{now}\n" if path.endswith("/pid_max") else read(path, default)
    )
    needs = Needs("", ("worker-1",), "0.0.0.0", (), {}, 0, {}, pids=raised)
    assert host_reader.read_host(needs, {}).pids == pids


def test_a_machine_without_podman_holds_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_reader, "COMMAND_PATH", "/nowhere")
    assert host_reader.podman_strictly("ps", "--all") == []
