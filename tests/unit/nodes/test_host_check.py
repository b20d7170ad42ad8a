"""What a host lacks is found, and said with its remedy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.host_check import (
    CGROUP_CONTROLLERS,
    Host,
    Listener,
    Needs,
    Port,
    container_limits,
    problems,
    runtime,
)

ALL_CAPABILITIES = (1 << 41) - 1
GOOD = Host(
    machine="x86_64",
    root=True,
    cgroup_mode="unified",
    controllers=frozenset(CGROUP_CONTROLLERS),
    capabilities=ALL_CAPABILITIES,
    files=1048576,
    processes=96365,
    pids=4194304,
    memory=8000,
    disk={"/var/lib/containers": 50000},
    overlay=True,
    writable_sysctls=True,
    commands=frozenset({"podman", "runc"}),
    addresses=frozenset({"127.0.0.1", "192.0.2.2"}),
    routes=("192.0.2.0/24",),
    mtu=1500,
)
NEEDS = Needs(
    room="workshop",
    nodes=("control-plane", "worker-1"),
    listen_address="127.0.0.1",
    ports=(Port(6443, "workshop_api_port"), Port(32000, "workshop_registry_node_port"), Port(10250)),
    subnets={"workshop_pod_subnet": "10.244.0.0/16", "workshop_service_subnet": "10.96.0.0/16"},
    memory=1500,
    disk={"/var/lib/containers": 6000},
    commands={"podman": "podman"},
    containers=True,
)


def test_a_good_host_has_no_problems() -> None:
    assert problems(GOOD, NEEDS) == []


def test_a_machine_as_a_node_must_be_of_the_debian_family() -> None:
    machine = replace(NEEDS, containers=False, commands={})
    assert problems(replace(GOOD, commands=frozenset({"dpkg-query"})), machine) == []
    assert problems(GOOD, machine) == [
        "This machine has no dpkg: nodes need Debian 12 or newer, Ubuntu 24.04 or newer, or a relative of them."
    ]


@pytest.mark.parametrize(
    ("host", "said"),
    [
        (replace(GOOD, root=False), "needs root"),
        (replace(GOOD, machine="aarch64"), "The processor is aarch64, but everything is built for x86_64"),
        (replace(GOOD, controllers=frozenset({"cpu", "cpuset", "pids"})), "cgroup_enable=memory"),
        (replace(GOOD, capabilities=ALL_CAPABILITIES & ~(1 << 21)), "CAP_SYS_ADMIN missing"),
        (replace(GOOD, capabilities=ALL_CAPABILITIES & ~(1 << 24), files=1024), "At most 1024 open files"),
        (replace(GOOD, capabilities=ALL_CAPABILITIES & ~(1 << 24), pids=4096), "At most 4096 processes"),
        (replace(GOOD, memory=2500), "2500 MiB of memory are available, 3000 MiB are needed for 2 new nodes"),
        (
            replace(GOOD, disk={"/var/lib/containers": 100}),
            "/var/lib/containers has 100 MiB free, 12000 MiB are needed",
        ),
        (replace(GOOD, overlay=False), "modprobe overlay"),
        (replace(GOOD, writable_sysctls=False), "read-only"),
        (replace(GOOD, commands=frozenset()), "apt-get install podman"),
        (
            replace(GOOD, routes=("10.244.3.0/24",)),
            "workshop_pod_subnet (10.244.0.0/16) overlaps the network 10.244.3.0/24",
        ),
        (
            replace(GOOD, routed=("10.244.9.0/24", "10.0.0.0/8", "192.0.2.7/32")),
            "workshop_pod_subnet (10.244.0.0/16) holds the network 10.244.9.0/24, which this machine reaches through",
        ),
        (replace(GOOD, foreign=("The network istio-workshop-workshop",)), "is not ours: remove or rename it"),
        (
            replace(GOOD, listeners=(Listener(32000, "nginx (process 7)"),)),
            "32000 of 127.0.0.1 is already taken by nginx",
        ),
        (replace(GOOD, listeners=(Listener(6443, "the container x", "blue"),)), "with -e workshop_api_port=PORT"),
        (replace(GOOD, listeners=(Listener(10250, "kubelet (process 7)"),)), "taken by kubelet (process 7): end it."),
    ],
)
def test_a_shortage_is_one_sentence_with_its_remedy(host: Host, said: str) -> None:
    found = problems(host, NEEDS)
    assert len(found) == 1
    assert said in found[0]


@pytest.mark.parametrize(
    ("needs", "said"),
    [
        (replace(NEEDS, nodes=("Worker_1",)), "node name 'Worker_1' is not allowed"),
        (replace(NEEDS, listen_address="198.51.100.1"), "it has 127.0.0.1, 192.0.2.2"),
    ],
)
def test_wrong_input_is_one_sentence(needs: Needs, said: str) -> None:
    found = problems(GOOD, needs)
    assert len(found) == 1
    assert said in found[0]


def test_the_room_itself_may_hold_its_ports() -> None:
    host = replace(GOOD, listeners=(Listener(6443, "the container workshop-control-plane", "workshop"),))
    assert problems(host, NEEDS) == []


def test_nodes_that_are_there_need_no_more_memory_or_disk() -> None:
    host = replace(GOOD, memory=100, disk={"/var/lib/containers": 100}, present=frozenset(NEEDS.nodes))
    assert problems(host, NEEDS) == []


def test_limits_are_never_above_what_the_host_may_give() -> None:
    weak = replace(GOOD, capabilities=0, files=20000, processes=96365, pids=32768)
    assert container_limits(weak) == {"nofile": "20000:20000", "nproc": "32768:32768"}
    assert container_limits(GOOD)["nofile"] == "1048576:1048576"


@pytest.mark.parametrize(
    ("mode", "commands", "chosen"),
    [("unified", {"runc"}, ""), ("hybrid", {"runc"}, "runc"), ("legacy", {"runc"}, "runc"), ("hybrid", set(), "")],
)
def test_runc_where_crun_refuses(mode: str, commands: set[str], chosen: str) -> None:
    assert runtime(replace(GOOD, cgroup_mode=mode, commands=frozenset(commands))) == chosen


@pytest.mark.parametrize(
    ("addresses", "wrong"),
    [
        (("127.0.0.1", "192.0.2.2"), 0),
        (("127.0.0.1",), 0),
        (("127.0.0.1", "::1", "2001:db8::2"), 1),
        (("127.0.0.1", "2001:db8::2", "10.0.0.2"), 0),
    ],
)
def test_a_machine_with_ipv6_alone_is_no_node(addresses: tuple[str, ...], wrong: int) -> None:
    host = replace(GOOD, addresses=frozenset(addresses), commands=frozenset({"dpkg-query"}))
    found = problems(host, replace(NEEDS, containers=False, commands={}, listen_address="0.0.0.0"))
    assert [sentence.startswith("This machine has IPv6 addresses alone") for sentence in found] == [True] * wrong
    assert problems(replace(GOOD, addresses=frozenset({"127.0.0.1", "2001:db8::2"})), NEEDS) == []
