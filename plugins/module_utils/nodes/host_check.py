# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a machine must offer before it becomes a node, or the host of container nodes.

`Host` is what the machine offers (read by `host_reader`), `Needs` is what is asked for,
`problems` compares them: one sentence for each shortage, with its remedy.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

# Without these a privileged container cannot mount, make namespaces or filter packets.
CAPABILITIES = {"SYS_ADMIN": 21, "NET_ADMIN": 12, "NET_RAW": 13, "MKNOD": 27, "SYS_PTRACE": 19, "SYS_CHROOT": 18}
SYS_RESOURCE = 24
CGROUP_CONTROLLERS = ("cpu", "cpuset", "memory", "pids")
# etcd, the API server and a few proxies hold some thousands of files; 20,000 is known to be enough for two nodes.
LEAST_FILES = 8192
LEAST_PIDS = 8192
# It is the node's name in the cluster, and part of a container's name.
NODE_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?")


@dataclass(frozen=True)
class Listener:
    """Who holds a TCP port of this machine."""

    port: int
    who: str
    room: str | None = None


@dataclass(frozen=True)
class Host:
    """What a machine offers."""

    machine: str
    root: bool
    cgroup_mode: str
    controllers: frozenset[str]
    capabilities: int
    files: int
    processes: int
    pids: int
    memory: int  # MiB
    disk: Mapping[str, int]  # MiB by directory
    overlay: bool
    writable_sysctls: bool
    commands: frozenset[str]
    addresses: frozenset[str]
    routes: tuple[str, ...]
    mtu: int
    routed: tuple[str, ...] = ()
    listeners: tuple[Listener, ...] = ()
    foreign: tuple[str, ...] = ()
    present: frozenset[str] = frozenset()

    @property
    def can_raise_limits(self) -> bool:
        return bool(self.capabilities >> SYS_RESOURCE & 1)


@dataclass(frozen=True)
class Port:
    """A TCP port that is to be free, and the variable that a user changes it with; none for a node's own ports."""

    number: int
    variable: str = ""


@dataclass(frozen=True)
class Needs:
    """What is asked for.

    Attributes:
        pids: what kernel.pid_max is raised to before a node runs: the same room has the same limits before and after.
    """

    room: str
    nodes: tuple[str, ...]
    listen_address: str
    ports: tuple[Port, ...]
    subnets: Mapping[str, str]
    memory: int  # MiB for each new node
    disk: Mapping[str, int]  # MiB for each new node, by directory
    commands: Mapping[str, str] = field(default_factory=dict)
    containers: bool = False
    pids: int = 0


def problems(host: Host, needs: Needs) -> list[str]:
    """One sentence for each thing that is missing or wrong, with the remedy; none when all is well."""
    found = [*_names(needs)]
    if not host.root:
        return [*found, "Making a node needs root: become root (sudo -s -H), activate .venv again, and type it again."]
    found += _system(host, needs)
    found += _kernel(host)
    found += _limits(host)
    found += _capacity(host, needs)
    found += _commands(host, needs)
    if not found:
        found += _network(host, needs)
    return found + [f"{name} exists already and is not ours: remove or rename it." for name in host.foreign]


def _names(needs: Needs) -> Iterable[str]:
    for name in needs.nodes:
        if not NODE_NAME.fullmatch(name):
            yield f"The node name {name!r} is not allowed: lower-case letters, digits, hyphens, for example worker-1."


def _system(host: Host, needs: Needs) -> Iterable[str]:
    if host.machine != "x86_64":
        yield f"The processor is {host.machine}, but everything is built for x86_64 (amd64): use another machine."
    if not needs.containers and "dpkg-query" not in host.commands:
        yield "This machine has no dpkg: nodes need Debian 12 or newer, Ubuntu 24.04 or newer, or a relative of them."


def _kernel(host: Host) -> Iterable[str]:
    missing = sorted(set(CGROUP_CONTROLLERS) - host.controllers)
    if missing:
        yield (
            f"The kernel's cgroup controllers {', '.join(missing)} are off ({host.cgroup_mode} mode): add "
            f"{' '.join('cgroup_enable=' + name for name in missing)} to the kernel's command line and reboot."
        )
    lacking = [f"CAP_{name}" for name, bit in CAPABILITIES.items() if not host.capabilities >> bit & 1]
    if lacking:
        yield f"{', '.join(lacking)} missing: run on a machine, or in a container with all privileges (--privileged)."
    if not host.overlay:
        yield "The kernel has no overlay file system: install the module for the running kernel (modprobe overlay)."
    if not host.writable_sysctls:
        yield "Kernel settings (/proc/sys) are read-only here: run on the machine itself or in a privileged container."


def _limits(host: Host) -> Iterable[str]:
    if host.can_raise_limits:
        return
    if host.files < LEAST_FILES:
        yield (
            f"At most {host.files} open files are allowed, {LEAST_FILES} are needed: raise the hard limit "
            "(`ulimit -Hn`, /etc/security/limits.conf) and log in again."
        )
    if min(host.processes, host.pids) < LEAST_PIDS:
        yield (
            f"At most {min(host.processes, host.pids)} processes are allowed, {LEAST_PIDS} are needed: raise "
            "`ulimit -Hu` and the sysctl kernel.pid_max."
        )


def _capacity(host: Host, needs: Needs) -> Iterable[str]:
    """Room for the nodes that are not there yet."""
    new = [name for name in needs.nodes if name not in host.present]
    nodes = f"{len(new)} new node{'s' if len(new) != 1 else ''}"
    if host.memory < needs.memory * len(new):
        yield (
            f"{host.memory} MiB of memory are available, {needs.memory * len(new)} MiB are needed for {nodes}: "
            "end other programs, or take workers out of the inventory."
        )
    for path, needed in needs.disk.items():
        free = host.disk.get(path, 0)
        if free < needed * len(new):
            yield f"{path} has {free} MiB free, {needed * len(new)} MiB are needed for {nodes}: free some space there."


def _commands(host: Host, needs: Needs) -> Iterable[str]:
    missing = {command: package for command, package in needs.commands.items() if command not in host.commands}
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        yield f"{', '.join(sorted(missing))} not found: apt-get install {packages}."


def _network(host: Host, needs: Needs) -> Iterable[str]:
    outer = [own for own in map(ipaddress.ip_address, host.addresses) if not own.is_loopback]
    if not needs.containers and outer and all(own.version == 6 for own in outer):
        yield "This machine has IPv6 addresses alone, but a node needs one of IPv4 that others reach: give it one."
    if needs.ports and needs.listen_address != "0.0.0.0" and needs.listen_address not in host.addresses:
        yield (
            f"workshop_listen_address is {needs.listen_address}, which is not an address of this machine: it has "
            f"{', '.join(sorted(host.addresses))}."
        )
    for port in needs.ports:
        for listener in host.listeners:
            if listener.port == port.number and listener.room != needs.room:
                other = f", or choose another one with -e {port.variable}=PORT" if port.variable else ""
                yield (
                    f"TCP port {port.number} of {needs.listen_address} is already taken by {listener.who}: "
                    f"end it{other}."
                )
    for variable, value in needs.subnets.items():
        network = ipaddress.IPv4Network(value)
        for route in host.routes:
            if network.overlaps(ipaddress.IPv4Network(route)):
                yield (
                    f"{variable} ({value}) overlaps the network {route} that this machine is connected to: choose "
                    f"another one with -e {variable}=NETWORK."
                )
        for route in host.routed:
            if ipaddress.IPv4Network(route).subnet_of(network):
                yield (
                    f"{variable} ({value}) holds the network {route}, which this machine reaches through a router (ip "
                    f"route): choose another one with -e {variable}=NETWORK."
                )


def container_limits(host: Host) -> dict[str, str]:
    """The resource limits that container nodes start with: as high as wanted, never above what this host may give."""
    files, processes = 1048576, 126000
    if not host.can_raise_limits:  # Podman lowers its own process limit to kernel.pid_max
        files, processes = min(files, host.files), min(processes, host.processes, host.pids)
    return {"nofile": f"{files}:{files}", "nproc": f"{processes}:{processes}"}


def runtime(host: Host) -> str:
    """The OCI runtime for container nodes; empty: Podman's own choice. crun refuses any but unified cgroups."""
    return "runc" if host.cgroup_mode != "unified" and "runc" in host.commands else ""
