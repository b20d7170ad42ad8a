# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kernel settings that nodes change on their machine or on their host, and how they are put back.

Before the first room changes anything, what was there is written to a record. When the last room
is gone, settings, and what Podman leaves behind (firewall chains, mounts), go back to it. What was
there before, or belongs to others, stays.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.host_reader import (
    COMMAND_PATH,
    LABEL,
    podman_strictly,
    read,
)
from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.nftables import delete_table

# What the kubelet, kube-proxy or Podman write; most are not namespaced and change for the whole host.
RECORDED_SYSCTLS = (
    "fs.inotify.max_user_instances",
    "fs.inotify.max_user_watches",
    "kernel.keys.root_maxbytes",
    "kernel.keys.root_maxkeys",
    "kernel.panic",
    "kernel.panic_on_oops",
    "net.ipv4.conf.all.route_localnet",
    "net.ipv4.ip_forward",
    "net.ipv6.conf.all.forwarding",
    "vm.overcommit_memory",
    "vm.panic_on_oom",
)
FIREWALLS = ("iptables", "ip6tables")
# Chains that Podman's network plugin makes, and does not remove with its last network.
CHAIN_PREFIX = "NETAVARK"
MOUNTS = ("/run/netns", "/var/lib/containers/storage/overlay")


def sysctl_path(name: str) -> Path:
    return Path("/proc/sys") / name.replace(".", "/")


def to_raise(current: Mapping[str, str], least: Mapping[str, int]) -> dict[str, int]:
    """Which settings are below what is wanted, with the wanted value."""
    return {name: value for name, value in least.items() if name in current and int(current[name]) < value}


def to_restore(recorded: Mapping[str, str], current: Mapping[str, str]) -> dict[str, str]:
    """Which settings differ from the record, with the recorded value."""
    return {name: value for name, value in recorded.items() if name in current and current[name] != value}


def declared_chains(saved: str) -> set[str]:
    """Chains in the output of iptables-save, as `table chain`."""
    found, table = set(), ""
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith(":"):
            found.add(f"{table} {line[1:].split()[0]}")
    return found


def firewall_removals(saved: str, before: Iterable[str]) -> list[list[str]]:
    """Arguments of iptables that remove Podman's chains.

    Args:
        saved: what iptables-save prints now.
        before: chains (`table chain`) that were there before the first room; they stay.
    """
    kept = set(before)
    ours = {chain for chain in declared_chains(saved) - kept if chain.split()[1].startswith(CHAIN_PREFIX)}
    jumps, table = [], ""
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith("-A "):
            words = line.split()
            chain = f"{table} {words[1]}"
            target = words[words.index("-j") + 1] if "-j" in words else ""
            if chain in ours:
                continue
            if f"{table} {target}" in ours:
                jumps.append(["-t", table, "-D", *_arguments(line[3:])])
    flush = [["-t", *chain.split()[:1], "-F", chain.split()[1]] for chain in sorted(ours)]
    delete = [["-t", *chain.split()[:1], "-X", chain.split()[1]] for chain in sorted(ours)]
    return jumps + flush + delete


def empty_tables(saved: str, before: Iterable[str]) -> list[str]:
    """Tables without a rule, a chain of their own or a policy, that were not there before the first room."""
    kept = {chain.split()[0] for chain in before}
    tables: dict[str, bool] = {}
    table = ""
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
            tables[table] = True
        elif line.startswith("-A ") or (line.startswith(":") and line.split()[1] != "ACCEPT"):
            tables[table] = False
    return sorted(name for name, empty in tables.items() if empty and name not in kept)


def _arguments(rule: str) -> list[str]:
    """The words of a saved rule; a comment is one word."""
    words, quoted = [], ""
    for word in rule.split():
        if quoted:
            quoted += " " + word
            if word.endswith('"'):
                words.append(quoted.strip('"'))
                quoted = ""
        elif word.startswith('"') and not (len(word) > 1 and word.endswith('"')):
            quoted = word
        else:
            words.append(word.strip('"'))
    return words


def mountpoints() -> set[str]:
    return {line.split()[1] for line in read("/proc/mounts", "").splitlines()}


def bridges() -> list[str]:
    """Bridges of this machine, as containers and virtual machines use them; the last room's own is gone by now."""
    return sorted(path.parent.name for path in Path("/sys/class/net").glob("*/bridge"))


def saved_firewall(command: str) -> str:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return _run(f"{command}-save").stdout
    return ""


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": COMMAND_PATH, "LC_ALL": "C.UTF-8"}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment)


def current_sysctls(more: Iterable[str] = ()) -> dict[str, str]:
    values = {name: read(str(sysctl_path(name)), "") for name in (*RECORDED_SYSCTLS, *more)}
    return {name: value for name, value in values.items() if value}


def take_record() -> dict[str, Any]:
    """What the host is like now."""
    return {
        "sysctls": current_sysctls(),
        "modules": [],
        "chains": {command: sorted(declared_chains(saved_firewall(command))) for command in FIREWALLS},
        "mounts": sorted(mountpoints() & set(MOUNTS)),
    }


class HostSettings:
    """The host's settings with their record at `path`."""

    def __init__(self, path: str, *, dry_run: bool) -> None:
        self.path = Path(path)
        self.dry_run = dry_run
        self.done: list[str] = []

    def prepare(self, least: Mapping[str, int], modules: Iterable[str]) -> None:
        """Record what is there, load kernel modules and raise settings that are too low."""
        record = self._load()
        if record is None:
            record = take_record()
            self._act(f"record the host's settings in {self.path}", lambda: self._store(record))
        for module in modules:
            if not _module_loaded(module) and _loadable(module):
                self._act(f"load the kernel module {module}", lambda name=module: _run("modprobe", name))
                record["modules"] = sorted({*record["modules"], module})
                self._act("", lambda: self._store(record))
        current = current_sysctls(least)
        for name, value in to_raise(current, least).items():
            if name not in record["sysctls"]:
                record["sysctls"][name] = current[name]
                self._act("", lambda: self._store(record))
            self._act(f"raise {name} to {value}", lambda n=name, v=value: sysctl_path(n).write_text(str(v)))

    def restore(self) -> None:
        """Put everything back, unless a room is left or nothing was recorded."""
        record = self._load()
        if record is None or self.rooms_left():
            return
        containers = podman_strictly("ps", "--all")
        shared = bool(containers or bridges())
        if not containers:
            self._remove_leftovers(record)
        for name, value in to_restore(record["sysctls"], current_sysctls(record["sysctls"])).items():
            if shared and name.startswith("net."):  # others' containers may need it by now
                continue
            self._act(f"put {name} back to {value}", lambda n=name, v=value: sysctl_path(n).write_text(v))
        for module in record["modules"] if not shared else ():
            with contextlib.suppress(subprocess.SubprocessError):  # somebody else may use it by now
                self._act(f"unload the kernel module {module}", lambda name=module: _run("modprobe", "-r", name))
        self._act("forget the record", self._forget)

    def rooms_left(self) -> bool:
        filters = ("--filter", f"label={LABEL}")
        return any(podman_strictly(*kind, *filters) for kind in (("ps", "--all"), ("volume", "ls"), ("network", "ls")))

    def _remove_leftovers(self, record: Mapping[str, Any]) -> None:
        for command in FIREWALLS:
            for arguments in firewall_removals(saved_firewall(command), record["chains"][command]):
                self._act(f"{command} {' '.join(arguments)}", lambda c=command, a=arguments: _run(c, "-w", *a))
            if not self.dry_run:
                for table in empty_tables(saved_firewall(command), record["chains"][command]):
                    self._act(
                        f"remove the empty table {table} of {command}", lambda c=command, t=table: delete_table(c, t)
                    )
        for place in MOUNTS:
            if place not in record["mounts"] and place in mountpoints():
                self._act(f"unmount {place}", lambda p=place: _run("umount", p))

    def _act(self, what: str, action: Any) -> None:
        if what:
            self.done.append(what)
        if not self.dry_run:
            action()

    def _load(self) -> dict[str, Any] | None:
        if not self.path.is_file():
            return None
        record: dict[str, Any] = json.loads(self.path.read_text())
        return record

    def _store(self, record: Mapping[str, Any]) -> None:
        self.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        draft = self.path.with_suffix(".new")  # a killed run leaves the old record or the new one, never half of it
        draft.write_text(json.dumps(record, indent=2) + "\n")
        draft.replace(self.path)

    def _forget(self) -> None:
        self.path.unlink()
        with contextlib.suppress(OSError):  # not ours alone
            self.path.parent.rmdir()


def _module_loaded(name: str) -> bool:
    if name == "br_netfilter":  # may be built in
        return Path("/proc/sys/net/bridge").is_dir()
    return Path("/sys/module", name).is_dir()


def _loadable(name: str) -> bool:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        _run("modprobe", "-n", name)
        return True
    return False
