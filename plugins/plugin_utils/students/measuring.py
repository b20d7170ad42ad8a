# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a room and its machine have, and what one place takes: from cluster, kubelets and this machine's kernel."""

from __future__ import annotations

import dataclasses
import ipaddress
import math
import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.requests import (
    cpu_of,
    is_closed,
    is_running,
    memory,
    millicores,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.paths import nearest
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import bounds
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.capacity import (
    MEASURED,
    MOST_POLICIES,
    Cost,
    Means,
    Pool,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import staged_services

MIB = 2**20
# Kept back: memory for the kernel's caches and a build, pods of a node for builds, checks, rollouts and what throttles.
SPARE_MEMORY, SPARE_PODS = 1000, 6
# What a room of two nodes takes by itself, before it is there: MB, thousandths of a core, pods of the first node.
ROOM_MEMORY, ROOM_CPU, ROOM_PROCESSOR, ROOM_PODS = 1700, 1000, 300, 15
# The addresses of a node's /24 without network, bridge and broadcast.
NODE_ADDRESSES = 253
# What a pod costs beside its containers, in MB: its shim, and what kernel, kubelet, API server and istiod keep of it.
SHIM_MEMORY = 14
INOTIFY = "/proc/sys/fs/inotify/max_user_instances"


@dataclass(frozen=True)
class Machine:
    """This machine, as its kernel tells it; memory and disk in MB."""

    memory: Pool
    disk: Pool
    threads: Pool
    inotify: Pool
    cores: int

    @classmethod
    def this(cls, storage: str, raised: int, processes: int = 0) -> Machine:
        """Look at it.

        Args:
            storage: a directory on the disk that nodes use, or will.
            raised: inotify instances of one user that a room raises the machine's setting to.
            processes: what kernel.pid_max is raised to before a class is made.
        """
        known = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        total, available = (int(known[name].split()[0]) / 1024 for name in ("MemTotal", "MemAvailable"))
        disk = shutil.disk_usage(nearest(Path(storage)))
        return cls(
            Pool(total, total - available + SPARE_MEMORY),
            Pool(disk.total / MIB, (disk.total - disk.free) / MIB + disk.total / MIB / 100),
            Pool(_most_threads(processes), int(Path("/proc/loadavg").read_text().split()[3].split("/")[1])),
            Pool(max(raised, int(Path(INOTIFY).read_text())), _inotify_of_busiest()),
            len(os.sched_getaffinity(0)),
        )

    def pools(self) -> dict[str, list[Pool]]:
        """Give what all nodes on it share."""
        shared = {"memory": self.memory, "disk": self.disk, "threads": self.threads, "inotify": self.inotify}
        return {name: [pool] for name, pool in shared.items()}


def _most_threads(processes: int) -> int:
    most, threads = (int(Path(f"/proc/sys/kernel/{name}").read_text()) for name in ("pid_max", "threads-max"))
    return min(max(most, processes), threads)


def _inotify_of_busiest() -> int:
    """Count the inotify instances of the user who has most of them; root's own few do not grow with a class."""
    counted: Counter[int] = Counter()
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                owner = process.stat().st_uid
                counted[owner] += sum("inotify" in str(each.readlink()) for each in (process / "fd").iterdir() if owner)
            except OSError:
                continue  # it has ended, or is somebody else's
    return max(counted.values(), default=0)


def without_room(machine: Machine, nodes: int, max_pods: int) -> Means:
    """Give what a room would have that is to be made of containers on this machine."""
    memory = dataclasses.replace(machine.memory, taken=machine.memory.taken + ROOM_MEMORY)
    first, others = max_pods - ROOM_PODS - SPARE_PODS, max_pods - SPARE_PODS
    free = [first, *[others] * (nodes - 1)]
    cores = 1000.0 * machine.cores
    return Means(
        {
            **machine.pools(),
            "memory": [memory],
            "cpu": [Pool(cores, ROOM_CPU), *[Pool(cores)] * (nodes - 1)],
            "pods": [Pool(max_pods, max_pods - each) for each in free],
            "addresses": [Pool(NODE_ADDRESSES, SPARE_PODS)] * nodes,
            "policies": [Pool(MOST_POLICIES)],
            "processor": [Pool(cores, ROOM_PROCESSOR)],
        },
        source=f"this machine, for a room of {nodes} node{'' if nodes == 1 else 's'} that is not there yet",
    )


class Room:
    """A room that runs.

    Attributes:
        pods: all that take something.
    """

    def __init__(self, api: Api) -> None:
        self._nodes = [node for node in api.items("/api/v1/nodes") if not is_closed(node)]
        self.pods = [pod for pod in api.items("/api/v1/pods") if is_running(pod)]
        self._pods_in = Counter(pod["metadata"]["namespace"] for pod in self.pods)
        self._policies = len(api.items("/apis/networking.k8s.io/v1/networkpolicies"))
        self._told = {name: _summary(api, name) for name in map(_name, self._nodes)}

    def cost(self, namespaces: Sequence[str], base: Cost) -> Cost:
        """Measure what a pod of these places takes; `base` holds where nothing was measured."""
        used = [
            each["memory"]["workingSetBytes"] / MIB + SHIM_MEMORY
            for told in self._told.values()
            for each in told.get("pods", [])
            if each["podRef"]["namespace"] in namespaces and "workingSetBytes" in each.get("memory", {})
        ]
        if len(used) < base.pods:
            return base
        memory = sum(used) / len(used)
        where = ", ".join(namespaces) if len(namespaces) <= 3 else f"{len(namespaces)} places"
        source = f"memory measured here, {memory:.0f} MB a pod in {where}; the rest {MEASURED}"
        return dataclasses.replace(base, memory=memory, source=source)

    def living(self, namespaces: Sequence[str]) -> list[str]:
        """Give those of these namespaces that have pods: others cost as much as if they were not there."""
        return [name for name in namespaces if self._pods_in[name]]

    def growing(self, namespaces: Sequence[str], at_work: int) -> int:
        """Count the pods that places of so many pods at work get yet."""
        return sum(max(0, at_work - self._pods_in[name]) for name in namespaces)

    def means(self, machine: Machine | None, there: Sequence[str], max_pods: int, at_work: int = 0) -> Means:
        """Give what there is.

        Args:
            max_pods: what a node's kubelet is told before a class is made; 0 where it is left as it is.
            machine: the one that all nodes share; None where each is a machine of its own.
            there: students who have places.
            at_work: how many pods a place has while everybody is at work.
        """
        shared = machine.pools() if machine else self._of_machines()
        cores = [1000.0 * machine.cores] if machine else [_cpu(node) for node in self._nodes]
        used = sum(told.get("node", {}).get("cpu", {}).get("usageNanoCores", 0) / 1e6 for told in self._told.values())
        return Means(
            {
                **shared,
                **({} if self._nodes else {"nodes": [Pool(0)]}),
                "cpu": [Pool(_cpu(node), sum(map(cpu_of, self._on(node)))) for node in self._nodes],
                "pods": [
                    Pool(max_pods or float(node["status"]["allocatable"]["pods"]), len(self._on(node)) + SPARE_PODS)
                    for node in self._nodes
                ],
                "addresses": [
                    Pool(_addresses(node), SPARE_PODS + len([1 for pod in self._on(node) if not _on_host(pod)]))
                    for node in self._nodes
                ],
                "policies": [Pool(max(MOST_POLICIES, self._policies), self._policies)],
                # What runs now is among it.
                "processor": [Pool(sum(cores), used)],
            },
            there,
            self.growing(there, at_work),
            f"this room's {len(self._nodes)} nodes{' and this machine' if machine else ''}",
        )

    def _of_machines(self) -> dict[str, list[Pool]]:
        """Give what each machine's kubelet tells; what it does not is not judged."""
        nodes = [told["node"] for told in self._told.values() if "node" in told]
        memory = [each["memory"] for each in nodes if "availableBytes" in each.get("memory", {})]
        disks = [each["fs"] for each in nodes if "availableBytes" in each.get("fs", {})]
        limits = [each["rlimit"] for each in nodes if "maxpid" in each.get("rlimit", {})]
        return {
            "memory": [
                Pool(
                    (each["availableBytes"] + each["workingSetBytes"]) / MIB,
                    each["workingSetBytes"] / MIB + SPARE_MEMORY,
                )
                for each in memory
            ],
            "disk": [
                Pool(each["capacityBytes"] / MIB, (each["capacityBytes"] * 1.01 - each["availableBytes"]) / MIB)
                for each in disks
            ],
            "threads": [Pool(each["maxpid"], each["curproc"]) for each in limits],
        }

    def _on(self, node: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [pod for pod in self.pods if pod["spec"].get("nodeName") == _name(node)]


def place_of(services: Sequence[Mapping[str, Any]], container: str, proxy: str) -> Cost:
    """Give what a place costs, before anything was measured.

    Args:
        services: the application's, as in `workshop_apps`; none where it is not known yet.
        container: what each pod's container asks for, a CPU quantity such as 2m; proxy: likewise.

    Raises:
        WorkshopError: one is none.
    """
    asked = _asked("student_cpu_request", container) + _asked("student_proxy_resources.requests.cpu", proxy)
    cost = Cost(cpu=asked)
    if not services:
        return cost
    return dataclasses.replace(cost, pods=len(services), at_work=len(services) + len(staged_services(services)))


def rate_of(given: float) -> float:
    """Give the load client's requests a second to each backend, as it takes them itself.

    Raises:
        WorkshopError: it would not.
    """
    _refuse_out_of_bounds("student_load_rate", given)
    return given


def share_of(given: float) -> float:
    """Give the part of a node's processors that a place may take for ever.

    Raises:
        WorkshopError: it would be none, or more than there is.
    """
    _refuse_out_of_bounds("student_processor_share", given)
    return given


def _refuse_out_of_bounds(option: str, given: float) -> None:
    if said := bounds.broken(option, given):
        raise WorkshopError(f"{option} is {given:g}, but must be {said[0]}: for example -e {option}={said[1]}.")


def most_of_place(quota: Mapping[str, Any], pod_threads: int) -> tuple[float, float]:
    """Give the threads and the MB of disk that one place may have at most; 0 where nobody limits them.

    Args:
        quota: as in a ResourceQuota; pod_threads: that a pod may have (0: nobody limits them).

    Raises:
        WorkshopError: one is no quantity.
    """
    pods, disk = (_quantity(quota, name) for name in ("pods", "limits.ephemeral-storage"))
    return pods * pod_threads, disk / MIB


def _quantity(quota: Mapping[str, Any], name: str) -> float:
    given = quota.get(name, 0)
    return _read(memory, given, f"student_quota has {given!r} for {name}, but it must be a quantity: for example 20.")


def _asked(option: str, quantity: str) -> float:
    return _read(millicores, quantity, f"{option} is {quantity!r}, but must be a quantity of CPU: for example 1m.")


def _read(parse: Callable[[Any], float], quantity: Any, refusal: str) -> float:
    try:
        found = parse(quantity)
    except (ValueError, ArithmeticError):
        found = math.nan
    if not 0 <= found < math.inf:
        raise WorkshopError(refusal)
    return found


def _summary(api: Api, node: str) -> dict[str, Any]:
    """Ask a node's kubelet what its pods take; a node that is down tells nothing."""
    try:
        return api.get(f"/api/v1/nodes/{node}/proxy/stats/summary")
    except KubernetesError:
        return {}


def _name(node: Mapping[str, Any]) -> str:
    return str(node["metadata"]["name"])


def _cpu(node: Mapping[str, Any]) -> float:
    return millicores(node["status"]["allocatable"]["cpu"])


def _on_host(pod: Mapping[str, Any]) -> bool:
    return bool(pod["spec"].get("hostNetwork"))


def _addresses(node: Mapping[str, Any]) -> float:
    """Count a node's addresses for pods, without network, bridge and broadcast."""
    subnet = node["spec"].get("podCIDR")
    return ipaddress.ip_network(subnet).num_addresses - 3 if subnet else NODE_ADDRESSES
