# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads from a machine what `host_check` judges. Changes nothing."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import shutil
import socket
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.host_check import (
    CGROUP_CONTROLLERS,
    Host,
    Listener,
    Needs,
    Port,
)

LABEL = "istio-workshop"
# Where administrators' commands are; a user's PATH often lacks them.
COMMAND_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
NO_LIMIT = 2**31
# The protocol that its routes bear (`ip route`).
KUBE_ROUTER = "17"


def read_host(needs: Needs, names: Mapping[str, Iterable[str]]) -> Host:
    """What this machine offers of what is needed.

    Args:
        needs: which directories, commands and ports to look at.
        names: names that must be free or ours, by kind: `container`, `volume` and `network`.
    """
    mode, controllers = read_cgroups()
    found = frozenset(
        command
        for command in {*needs.commands, "dpkg-query", "runc", "podman"}
        if shutil.which(command, path=COMMAND_PATH)
    )
    with_podman = needs.containers and "podman" in found and os.geteuid() == 0
    containers = podman("ps", "--all") if with_podman else []
    routes = json_output("ip", "-json", "-4", "route", "show")
    present = frozenset(find_nodes(needs, containers))
    # A machine that is a node already holds its ports itself.
    ports = () if present and not needs.containers else needs.ports
    return Host(
        machine=os.uname().machine,
        root=os.geteuid() == 0,
        cgroup_mode=mode,
        controllers=controllers,
        capabilities=read_capabilities(Path("/proc/self/status").read_text()),
        files=hard_limit(resource.RLIMIT_NOFILE),
        processes=hard_limit(resource.RLIMIT_NPROC),
        pids=max(int(read("/proc/sys/kernel/pid_max", "32768")), needs.pids),
        memory=read_memory(read("/proc/meminfo", "")),
        disk={path: free_space(path) for path in needs.disk},
        overlay="overlay" in read("/proc/filesystems", "") or module_exists("overlay"),
        writable_sysctls=os.access("/proc/sys/net/ipv4/ip_forward", os.W_OK) and not read_only("/proc/sys"),
        commands=found,
        addresses=frozenset(read_addresses(json_output("ip", "-json", "address", "show"))),
        routes=tuple(connected_networks(routes)),
        routed=tuple(routed_networks(routes)),
        mtu=uplink_mtu(routes),
        listeners=tuple(find_listeners(needs.listen_address, ports, containers)),
        foreign=tuple(find_foreign(names, containers)) if with_podman else (),
        present=present,
    )


def read(path: str, default: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return default


def read_cgroups(root: Path = Path("/sys/fs/cgroup"), proc: Path = Path("/proc/cgroups")) -> tuple[str, frozenset[str]]:
    """The cgroup mode (unified, hybrid, legacy) and which of the needed controllers are on."""
    unified = root / "cgroup.controllers"
    if unified.is_file():
        return "unified", frozenset(unified.read_text().split())
    rows = (
        [line.split() for line in proc.read_text().splitlines() if not line.startswith("#")] if proc.is_file() else []
    )
    enabled = {row[0] for row in rows if len(row) == 4 and row[3] == "1"}
    mounted = {name for name in CGROUP_CONTROLLERS if name in enabled and any(root.glob(f"*{name}*"))}
    return ("hybrid" if (root / "unified").is_dir() else "legacy"), frozenset(mounted)


def read_capabilities(status: str) -> int:
    return next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:")), 0)


def hard_limit(which: int) -> int:
    hard = resource.getrlimit(which)[1]
    return NO_LIMIT if hard == resource.RLIM_INFINITY else hard


def read_memory(meminfo: str) -> int:
    """Available memory in MiB."""
    rows = dict(line.split(":", 1) for line in meminfo.splitlines() if ":" in line)
    return int(rows.get("MemAvailable", "0 kB").split()[0]) // 1024


def free_space(path: str) -> int:
    """MiB free in the file system that holds `path`, or will hold it."""
    place = Path(path)
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free // 2**20


def module_exists(name: str) -> bool:
    directory = Path("/lib/modules") / os.uname().release
    return any(f"/{name}.ko" in read(str(directory / index), "") for index in ("modules.dep", "modules.builtin"))


def read_only(mountpoint: str) -> bool:
    return bool(os.statvfs(mountpoint).f_flag & os.ST_RDONLY)


def strict_json_output(*command: str) -> Any:
    environment = {**os.environ, "PATH": COMMAND_PATH, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(done.stdout or "[]")


def json_output(*command: str) -> Any:
    with contextlib.suppress(OSError, subprocess.SubprocessError, ValueError):
        return strict_json_output(*command)
    return []


def podman(*arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json_output("podman", *arguments, "--format", "json") or []
    return found


def podman_strictly(*arguments: str) -> list[dict[str, Any]]:
    """As `podman`, for whoever removes things: no answer is not the answer that there is nothing.

    Raises:
        subprocess.CalledProcessError: Podman failed.
    """
    if not shutil.which("podman", path=COMMAND_PATH):  # a node that is a machine
        return []
    found: list[dict[str, Any]] = strict_json_output("podman", *arguments, "--format", "json") or []
    return found


def read_addresses(links: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for link in links:
        for address in link.get("addr_info", []):
            if address.get("scope") != "link":
                yield address["local"]


def connected_networks(routes: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """Networks that this machine reaches without a gateway; a room's own network on a real node is kube-router's."""
    for route in routes:
        destination = route.get("dst", "default")
        if destination == "default" or route.get("type") == "unreachable" or "gateway" in route:
            continue
        network = destination if "/" in destination else f"{destination}/32"
        # A private network that takes the whole way out has two halves of everything.
        if route.get("dev") != "kube-bridge" and int(network.partition("/")[2]) > 1:
            yield network


def routed_networks(routes: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """Networks that this machine reaches through a router, besides those of pods on other nodes."""
    for route in routes:
        destination = route.get("dst", "default")
        if "gateway" in route and destination != "default" and route.get("protocol") != KUBE_ROUTER:
            yield destination if "/" in destination else f"{destination}/32"


def uplink_mtu(routes: Iterable[Mapping[str, Any]]) -> int:
    devices = [route["dev"] for route in routes if route.get("dst") == "default" and "dev" in route]
    sizes = [int(read(f"/sys/class/net/{device}/mtu", "1500")) for device in devices]
    return min(sizes, default=1500)


def find_listeners(address: str, ports: Iterable[Port], containers: Iterable[Mapping[str, Any]]) -> Iterable[Listener]:
    """Who holds which of the ports, as far as they are taken."""
    published = dict(published_ports(containers))
    for number in (port.number for port in ports):
        if number in published:
            yield published[number]
        elif taken(address, number):
            yield Listener(number, holder(number))


def published_ports(containers: Iterable[Mapping[str, Any]]) -> Iterable[tuple[int, Listener]]:
    """Ports that containers publish, running or not: a stopped node container takes its ports again when it starts."""
    for container in containers:
        room = (container.get("Labels") or {}).get(LABEL)
        name = (container.get("Names") or ["?"])[0]
        who = f"the container {name}" + (f" of the room {room}" if room else "")
        if room is None and container.get("State") != "running":
            continue
        for mapping in container.get("Ports") or []:
            for offset in range(int(mapping.get("range") or 1)):
                number = int(mapping["host_port"]) + offset
                yield number, Listener(number, who, room)


def taken(address: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def holder(port: int) -> str:
    """The process that listens on `port`, as `name (process 123)`."""
    rows = [line.split() for table in ("tcp", "tcp6") for line in read(f"/proc/net/{table}", "").splitlines()[1:]]
    sockets = {f"socket:[{row[9]}]" for row in rows if int(row[1].rsplit(":", 1)[1], 16) == port and row[3] == "0A"}
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if str(link.readlink()) in sockets:
                process = link.parts[2]
                return f"{read(f'/proc/{process}/comm', '?')} (process {process})"
    return "another program"


def find_nodes(needs: Needs, containers: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """Which of the nodes are there already, so that they need no further memory or disk."""
    if not needs.containers:
        return needs.nodes if Path("/etc/kubernetes/kubelet.conf").exists() else ()
    names = {name for container in containers for name in container.get("Names") or []}
    return [node for node in needs.nodes if f"{needs.room}-{node}" in names]


def find_foreign(names: Mapping[str, Iterable[str]], containers: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """Things with our names that do not bear our label."""
    listed: dict[str, Iterable[Mapping[str, Any]]] = {
        "container": containers,
        "volume": podman("volume", "ls"),
        "network": podman("network", "ls"),
    }
    for kind, wanted in names.items():
        for item in listed[kind]:
            labels = item.get("Labels") or item.get("labels") or {}
            owned = item.get("Names") or [item.get("Name") or item.get("name")]
            for name in sorted(set(wanted) & set(owned)):
                if LABEL not in labels:
                    yield f"The {kind} {name}"
