"""Machines that Ansible reaches over SSH: privileged containers with Debian, one with systemd and one without."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.acceptance.host import container_abilities

from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.room import node_addresses

IMAGE = "localhost/istio-workshop-test/machine"
NETWORK = "istio-workshop-test"
# Whom Ansible is there: root, or somebody with sudo.
USERS = {"control-plane": "root", "worker-1": "teacher"}
# PID 1 of each: systemd, and a machine that has nothing but sshd.
INIT = {"control-plane": "exec /sbin/init", "worker-1": "mkdir /run/sshd && exec /usr/sbin/sshd -D"}
# What systemd would set for the whole host, or do when nobody expects it.
MASKED = ("systemd-sysctl.service", "systemd-binfmt.service", "timers.target")
# What the packages that a node needs make themselves, and what the system writes as it runs.
OTHERS = re.compile(
    r"/etc/(alternatives|modules|networks|rc\w\.d|runit|service|sv)\b|/var/lib/(apt|dpkg|systemd)\b"
    r"|/run/(lock|log|motd\.dynamic|mount|netns|runit|sudo|systemd|xtables\.lock)\b|/var/log/(apt\b|[\w.]+(log|tmp|xz)\b)"
)


def podman(*arguments: str | Path, given: str = "") -> str:
    """What podman prints."""
    done = subprocess.run(["podman", *arguments], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    return done.stdout


@dataclasses.dataclass(frozen=True)
class Machine:
    """One of them."""

    name: str
    address: str

    @property
    def container(self) -> str:
        """The container that it is."""
        return f"{NETWORK}-{self.name}"

    def run(self, command: str, given: str = "") -> str:
        """What a shell command prints on it."""
        return podman("exec", "--interactive", self.container, "sh", "-c", command, given=given)

    def state(self) -> dict[str, list[str]]:
        """What a node could leave behind: all that is not a Debian package's."""
        packages = set(self.run("cat /var/lib/dpkg/info/*.list").splitlines())
        paths = self.run("find /etc /opt /run /usr/local /usr/libexec /var/lib /var/log -maxdepth 2").splitlines()
        rules = self.run("iptables-save 2>/dev/null; ip6tables-save 2>/dev/null; true").splitlines()
        sysctls = "kernel.panic vm.overcommit_memory net.ipv4.ip_forward net.ipv4.conf.all.route_localnet"
        return {
            "paths": [path for path in paths if path not in packages and not OTHERS.match(path)],
            "rules": [re.sub(r"\[\d+:\d+\]", "", line) for line in rules if not line.startswith("#")],
            "mounts": sorted(self.run("cut -d' ' -f5 /proc/1/mountinfo").splitlines()),
            "links": sorted(self.run("ls /sys/class/net").splitlines()),
            "routes": self.run("ip route").splitlines(),
            "units": sorted(self.run("find /etc/systemd/system").splitlines()),
            "processes": sorted(set(self.run("ps -eo comm=").splitlines()) - {"sh", "ps", "sshd"}),
            "sysctls": self.run(f"sysctl {sysctls}").splitlines(),
        }


@contextmanager
def machines(directory: Path, *shared: Path) -> Iterator[tuple[Path, dict[str, Machine]]]:
    """An inventory of a control plane and a worker as long as the context lasts, and the machines by name.

    The control plane has the directories `shared` at the same places.
    """
    try:
        yield _start(directory, shared)
    finally:
        names = [f"{NETWORK}-{name}" for name in USERS]
        podman("rm", "--force", "--ignore", "--time=0", *names)
        podman("volume", "rm", "--force", *names)
        podman("network", "rm", "--force", NETWORK)
        podman("rmi", "--ignore", IMAGE)


def _start(directory: Path, shared: Sequence[Path]) -> tuple[Path, dict[str, Machine]]:
    archive = directory / "root.tar"
    packages = "openssh-server,python3,iproute2,procps,sudo,ca-certificates,systemd-sysv,dbus"
    mask = f'--customize-hook=for unit in {" ".join(MASKED)}; do ln -s /dev/null "$1/etc/systemd/system/$unit"; done'
    subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}", mask, "bookworm", archive],
        check=True,
    )
    podman("import", "--quiet", archive, IMAGE)
    key = directory / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    podman("network", "create", "--disable-dns", "--opt=mtu=1400", NETWORK)
    subnet = json.loads(podman("network", "inspect", NETWORK))[0]["subnets"][0]["subnet"]
    addresses = node_addresses(subnet, ["control-plane"], ["worker-1"])

    # As for container nodes: what this machine can give.
    runtime, abilities = container_abilities()
    limits = [f"--ulimit={name}={value}" for name, value in abilities.items()]
    oci_runtime = ["--runtime", runtime] if runtime else []
    found = {}
    for number, (name, user) in enumerate(USERS.items(), start=1):
        container = f"{NETWORK}-{name}"
        podman(
            *("run", "--detach", f"--name={container}", f"--hostname={name}"),
            # As a machine does, it keeps its MAC address when it is restarted: neighbours remember it for a minute.
            *(f"--network={NETWORK}", f"--ip={addresses[name]}", f"--mac-address=02:00:00:00:00:{number:02}"),
            *("--privileged", f"--systemd={'always' if 'init' in INIT[name] else 'false'}", "--cgroupns=private"),
            *("--pids-limit=0", *oci_runtime, *limits),
            *(f"--volume={path}:{path}" for path in shared if name == "control-plane"),
            *(f"--volume={container}:/var:exec,suid,dev", "--tmpfs=/run:rw,mode=755", "--tmpfs=/tmp:rw,mode=1777"),
            *(IMAGE, "sh", "-c", f"mount --make-rshared / && {INIT[name]}"),
        )
        found[name] = Machine(name, addresses[name])
        if user != "root":
            found[name].run(f"useradd --create-home {user}; echo '{user} ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/user")
        found[name].run(
            f"install -d -m 700 -o {user} ~{user}/.ssh && "
            f"install -m 600 -o {user} /dev/stdin ~{user}/.ssh/authorized_keys",
            given=key.with_suffix(".pub").read_text(),
        )
    return _inventory(directory, found), found


def _inventory(directory: Path, found: dict[str, Machine]) -> Path:
    """As inventory/machines.example.yml."""
    path = directory / "machines.json"
    hosts = {
        name: {
            "ansible_host": machine.address,
            "ansible_user": USERS[name],
            "ansible_become": USERS[name] != "root",
            "ansible_ssh_private_key_file": str(directory / "key"),
            "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
        }
        for name, machine in found.items()
    }
    controller = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    groups = {
        "control_plane": {"hosts": {"control-plane": hosts["control-plane"]}},
        "workers": {"hosts": {"worker-1": hosts["worker-1"]}},
    }
    children = {"controller": {"hosts": {"localhost": controller}}, "nodes": {"children": groups}}
    path.write_text(json.dumps({"all": {"children": children}}))
    return path
