"""A clean Debian machine without a network: a container of what mmdebstrap makes, whose way out leads nowhere."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.acceptance.host import container_abilities
from tests.acceptance.machines import podman
from tests.acceptance.room import ROOT

# What the user has before `make up`: enough to type it.
PACKAGES = "make,python3"
FRONT = 30080
# Its way out is a link that takes every packet and drops it: what leaves is counted, by where it wanted to go.
WAY_OUT = """
ip link add out type veth peer name nowhere
for link in out nowhere; do
  sysctl --quiet --write net.ipv6.conf.$link.disable_ipv6=1
  ip link set $link up
done
ip address add 192.0.2.2/24 dev out
ip neighbour add 192.0.2.1 lladdr 02:00:00:00:00:01 dev out
ip route add default via 192.0.2.1
nft -f - <<'RULES'
table inet watch {
  set seen { type ipv4_addr . inet_proto . inet_service; flags dynamic; size 4096; }
  chain leaving {
    type filter hook postrouting priority 300;
    oifname "out" meta l4proto { tcp, udp } add @seen { ip daddr . meta l4proto . th dport }
    oifname "out" counter
  }
}
RULES
"""


@dataclasses.dataclass
class Machine:
    """One of them."""

    container: str
    pid: str

    def make(self, target: str, arguments: str = "") -> str:
        """Type make in the project's directory; it must succeed."""
        log = subprocess.run(
            ["podman", "exec", self.container, "make", "-C", "/root/workshop", target, f"ARGS={arguments}"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        assert log.returncode == 0, log.stdout[-6000:]
        return log.stdout

    def inside(self, command: str) -> str:
        """What one of this machine's own commands prints in the network of that one."""
        done = subprocess.run(
            ["nsenter", "--target", self.pid, "--net", "bash", "-euc", command],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def front(self, path: str) -> Any:
        """JSON that front answers there."""
        get = f"import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:{FRONT}{path}').read().decode())"
        return json.loads(self.inside(f'/usr/bin/python3 -c "{get}"'))

    def attempts(self) -> list[Any]:
        """Where packets wanted to go that left, and how many did in all when it is more than none."""
        listed = json.loads(self.inside("nft -j list table inet watch"))["nftables"]
        seen = next(item["set"].get("elem", []) for item in listed if "set" in item)
        rules = [
            part["counter"]["packets"]
            for item in listed
            if "rule" in item
            for part in item["rule"]["expr"]
            if "counter" in part
        ]
        return [*seen, *[packets for packets in rules if packets]]


@contextmanager
def clean_machine(suite: str, media: Path, directory: Path) -> Iterator[Machine]:
    """A machine of this Debian suite with this project in it, as long as the context lasts; `media` is its /media."""
    name = f"istio-workshop-test-{suite}"
    image = f"localhost/istio-workshop-test/{suite}"
    archive = directory / "root.tar"
    subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", suite, archive], check=True)
    runtime, abilities = container_abilities()
    try:
        podman("import", "--quiet", archive, image)
        podman(
            *("run", "--detach", f"--name={name}", "--network=none", "--privileged", "--systemd=false"),
            *("--cgroupns=private", "--pids-limit=0", *(["--runtime", runtime] if runtime else [])),
            *(f"--ulimit={limit}={value}" for limit, value in abilities.items()),
            *(
                f"--volume={name}:/var:exec,suid,dev",
                f"--volume={name}-root:/root",
                f"--volume={media}:/media:ro",
            ),
            *("--tmpfs=/run:rw,mode=755", "--tmpfs=/tmp:rw,mode=1777", image),
            *("sh", "-c", "mount --make-rshared / && exec sleep infinity"),
        )
        machine = Machine(name, podman("inspect", "--format={{.State.Pid}}", name).strip())
        machine.inside(WAY_OUT)
        files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
        project = subprocess.run(
            ["tar", "--create", "--null", "--files-from=-"], cwd=ROOT, input=files, capture_output=True, check=True
        ).stdout
        subprocess.run(
            ["podman", "exec", "--interactive", name, "sh", "-c", "mkdir /root/workshop && tar -x -C /root/workshop"],
            input=project, check=True,
        )  # fmt: skip
        podman("exec", name, "sh", "-c", "echo nameserver 192.0.2.53 >/etc/resolv.conf")
        yield machine
    finally:
        podman("rm", "--force", "--ignore", "--time=0", name)
        podman("volume", "rm", "--force", name, f"{name}-root")
        podman("rmi", "--ignore", image)
        archive.unlink(missing_ok=True)
