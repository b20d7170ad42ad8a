# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kernel settings that nodes change on their machine or on their host, and how they are put back.

Before the first room changes anything, what was there is written to a record. When the last room
is gone, settings, and what Podman leaves behind (firewall chains, mounts), go back to it: where they
still are what a room sets. What was there before, belongs to others or was changed since, stays.
"""

from __future__ import annotations

import contextlib
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ansible_collections.istio_games.workshop.plugins.module_utils.nodes import firewall, host_record
from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.commands import run
from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.host_reader import LABEL, podman_strictly, read
from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.host_record import HostRecord

# What the kubelet, kube-proxy and Podman set; most are not namespaced and change for the whole host.
SET_BY_NODES = {
    "kernel.keys.root_maxbytes": "25000000",
    "kernel.keys.root_maxkeys": "1000000",
    "kernel.panic": "10",
    "kernel.panic_on_oops": "1",
    "net.ipv4.conf.all.route_localnet": "1",
    "net.ipv4.ip_forward": "1",
    "net.ipv6.conf.all.forwarding": "1",
    "vm.overcommit_memory": "1",
    "vm.panic_on_oom": "0",
}
# Those that a room raises itself, as it is told to.
RAISED = ("fs.inotify.max_user_instances", "fs.inotify.max_user_watches")
MOUNTS = ("/run/netns", "/var/lib/containers/storage/overlay")


def sysctl_path(name: str) -> Path:
    return Path("/proc/sys") / name.replace(".", "/")


def to_raise(current: Mapping[str, str], least: Mapping[str, int]) -> dict[str, int]:
    """Which settings are below what is wanted, with the wanted value."""
    return {name: value for name, value in least.items() if name in current and int(current[name]) < value}


def to_restore(record: HostRecord, current: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Which settings still are what a room has set, with the value of before; a sentence on each that is neither."""
    ours = SET_BY_NODES | (record.raised or {})
    settings, left = {}, []
    for name, value in record.sysctls.items():
        if name not in current or _same(current[name], value):
            continue
        if _same(current[name], ours.get(name, "")):
            settings[name] = value
        else:
            left.append(f"{name} stays {current[name]}: it was {value} before the first room, and no room has set it.")
    return settings, left


def _same(one: str, other: str) -> bool:
    return one.split() == other.split()  # some settings are several numbers


def mountpoints() -> set[str]:
    return {line.split()[1] for line in read("/proc/mounts", "").splitlines()}


def forwarders() -> list[str]:
    """Links of this machine that need forwarding: others' bridges and tunnels; the last room's own are gone by now."""
    found = {path.parent.name for path in Path("/sys/class/net").glob("*/bridge")}
    found |= {path.parent.name for path in Path("/sys/class/net").glob("*/tun_flags")}
    found |= {
        path.parent.name
        for path in Path("/sys/class/net").glob("*/uevent")
        if "DEVTYPE=wireguard" in read(str(path), "")
    }
    return sorted(found)


def current_sysctls(more: Iterable[str] = ()) -> dict[str, str]:
    values = {name: read(str(sysctl_path(name)), "") for name in (*SET_BY_NODES, *RAISED, *more)}
    return {name: value for name, value in values.items() if value}


def take_record() -> HostRecord:
    """What the host is like now."""
    return HostRecord(
        sysctls=current_sysctls(),
        chains={
            command: sorted(firewall.declared_chains(firewall.saved_firewall(command)))
            for command in firewall.FIREWALLS
        },
        mounts=sorted(mountpoints() & set(MOUNTS)),
        raised={},
    )


class HostSettings:
    """The host's settings with their record at `path`, on behalf of one room.

    After a call, `done` says what was changed, and `left` what was left to others.
    """

    def __init__(self, path: str, room: str, *, dry_run: bool) -> None:
        self.path = Path(path)
        self.room = room
        self.dry_run = dry_run
        self.done: list[str] = []
        self.left: list[str] = []

    def prepare(self, least: Mapping[str, int], modules: Iterable[str]) -> None:
        """Record what is there, load kernel modules and raise settings that are too low.

        Raises:
            RecordError: there is a record that cannot be read.
        """
        with self._alone():
            record = self._load()
            if record is None:
                record = take_record()
                self._act(f"record the host's settings in {self.path}", self._store, record)
            if self.room and self.room not in record.rooms:
                # Before anything of it can be seen, so that another room's end leaves its settings alone.
                record.rooms = sorted({*record.rooms, self.room})
                self._act("", self._store, record)
            for module in modules:
                if not _module_loaded(module) and _loadable(module):
                    record.modules = sorted({*record.modules, module})
                    self._act("", self._store, record)
                    self._act(f"load the kernel module {module}", run, "modprobe", module)
            self._raise(record, least)
            self.done += firewall.keep_rooms_apart(dry_run=self.dry_run)

    def restore(self) -> None:
        """Put everything back, unless a room is left or nothing was recorded.

        Raises:
            RecordError: there is a record that cannot be read.
        """
        if not self.path.exists():
            return
        with self._alone():
            record = self._load()
            if record is None:  # another room's end was quicker
                self._act("", host_record.forget, self.path)
                return
            others = sorted({*record.rooms, *self._rooms_left()} - {self.room})
            if others:
                record.rooms = others
                self._act("", self._store, record)
                self.left.append(
                    f"The settings of this machine stay raised for the room {', '.join(others)}: ansible-playbook "
                    f"playbooks/teardown.yml -e workshop_name={others[0]} takes it down."
                )
                return
            self._put_back(record)
            self._act("forget the record", host_record.forget, self.path)

    def _raise(self, record: HostRecord, least: Mapping[str, int]) -> None:
        current = current_sysctls(least)
        for name, value in to_raise(current, least).items():
            record.sysctls.setdefault(name, current[name])
            record.raised = {**(record.raised or {}), name: str(value)}
            self._act("", self._store, record)
            self._act(f"raise {name} to {value}", sysctl_path(name).write_text, str(value))

    def _put_back(self, record: HostRecord) -> None:
        containers = podman_strictly("ps", "--all")
        shared = bool(containers) or forwarders()
        if not containers:
            self._remove_leftovers(record)
        current = current_sysctls(record.sysctls)
        settings, left = to_restore(record, current)
        self.left += left
        for name, value in settings.items():
            if shared and name.startswith("net."):
                users = "containers" if containers else ", ".join(forwarders())
                self.left.append(f"{name} stays {current[name]}: {users} may need it by now (it was {value}).")
                continue
            self._act(f"put {name} back to {value}", sysctl_path(name).write_text, value)
        for module in record.modules if not shared else ():
            with contextlib.suppress(subprocess.SubprocessError):  # somebody else may use it by now
                self._act(f"unload the kernel module {module}", run, "modprobe", "-r", module)

    def _rooms_left(self) -> set[str]:
        """Rooms of which something is there, also those that the record does not know."""
        filters = ("--filter", f"label={LABEL}")
        listed = [
            item
            for kind in (("ps", "--all"), ("volume", "ls"), ("network", "ls"))
            for item in podman_strictly(*kind, *filters)
        ]
        return {str((item.get("Labels") or item.get("labels") or {}).get(LABEL, "?")) for item in listed}

    def _remove_leftovers(self, record: HostRecord) -> None:
        for command in firewall.FIREWALLS:
            before = record.chains[command]
            for arguments in firewall.firewall_removals(firewall.saved_firewall(command), before):
                self._act(f"{command} {' '.join(arguments)}", run, command, "-w", *arguments)
            if not self.dry_run:
                self._remove_tables(command, firewall.empty_tables(firewall.saved_firewall(command), before))
        for place in MOUNTS:
            if place not in record.mounts and place in mountpoints():
                self._act(f"unmount {place}", run, "umount", place)

    def _remove_tables(self, command: str, tables: Iterable[str]) -> None:
        for table in tables:
            removal = firewall.table_removal(command, table)
            if shutil.which(removal[0]):
                self._act(f"remove the empty table {table} of {command}", run, *removal)
            else:
                self.left.append(
                    f"{command}'s table {table} stays, and is empty: there is no nft here, which removes it "
                    f"({shlex.join(removal)})."
                )

    def _alone(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext() if self.dry_run else host_record.locked(self.path)

    def _act(self, what: str, action: Callable[..., object], *arguments: object) -> None:
        """Do something unless it is a dry run, and tell it unless `what` is empty."""
        if what:
            self.done.append(what)
        if not self.dry_run:
            action(*arguments)

    def _load(self) -> HostRecord | None:
        record = host_record.load(self.path)
        if record and record.raised is None:
            # An older room's: what differs now counts as its own.
            current = current_sysctls(record.sysctls)
            record.raised = {
                name: current[name] for name in record.sysctls if name in current and name not in SET_BY_NODES
            }
        return record

    def _store(self, record: HostRecord) -> None:
        host_record.store(self.path, record)


def _module_loaded(name: str) -> bool:
    if name == "br_netfilter":  # may be built in
        return Path("/proc/sys/net/bridge").is_dir()
    return Path("/sys/module", name).is_dir()


def _loadable(name: str) -> bool:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        run("modprobe", "-n", name)
        return True
    return False
