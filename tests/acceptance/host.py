"""This machine: what containers of it can have, and what a room could leave behind on it."""

from __future__ import annotations

import dataclasses
import re
import subprocess
from pathlib import Path

from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.host_check import (
    Needs,
    container_limits,
    runtime,
)
from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.host_reader import read_host


def container_abilities() -> tuple[str, dict[str, str]]:
    """The OCI runtime that containers of this machine need (empty: Podman's own), and their limits by name."""
    host = read_host(Needs("", (), "127.0.0.1", (), {}, 0, {}), {})
    return runtime(host), container_limits(host)


@dataclasses.dataclass(frozen=True)
class Host:
    """What a room could leave behind on this machine."""

    rules: list[str]
    mounts: list[str]
    processes: list[str]
    links: list[str]
    containers: list[str]
    sysctls: dict[str, str]

    @classmethod
    def look(cls) -> Host:
        """Read it now."""

        def lines(*command: str) -> list[str]:
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

        def rules(line: str) -> str:
            return re.sub(r"\[\d+:\d+\]", "", line)

        mounts = sorted(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
        programs = r"conmon|runc|crun|netavark|aardvark|containerd|kube|etcd|runsv|svlogd|pasta|slirp"
        processes = sorted(line for line in lines("ps", "-eo", "comm=") if re.match(programs, line))
        return cls(
            rules=[rules(line) for line in lines("iptables-save") if not line.startswith("#")],
            mounts=mounts,
            processes=processes,
            links=sorted(line.split(":")[1] for line in lines("ip", "-o", "link")),
            containers=[
                *lines("podman", "ps", "--all", "--format={{.Names}}"),
                *lines("podman", "volume", "ls", "--format={{.Name}}"),
                *lines("podman", "network", "ls", "--format={{.Name}}"),
            ],
            sysctls={
                name: Path("/proc/sys", name).read_text()
                for name in ("fs/inotify/max_user_instances", "fs/inotify/max_user_watches", "net/ipv4/ip_forward")
            },
        )
