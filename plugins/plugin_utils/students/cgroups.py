# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What pods and their containers have used of a node's processors, as its cgroups tell it.

The program that works with this (roles/student/files/throttle.py) has nothing but Python: so this imports nothing else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

POD = re.compile("pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})(?:[.]slice)?$", re.ASCII)
CONTAINER = re.compile("^(?:(?:cri-containerd|crio|docker)-)?([0-9a-f]{64})(?:[.]scope)?$", re.ASCII)
# Where kubelets put pods, by cgroup driver; the latter two in nodes of kind.
TOPS = ("kubepods", "kubepods.slice", "kubelet/kubepods", "kubelet.slice/kubelet-kubepods.slice")


class Cgroups:
    """What pods and containers have used of the node's processors, in seconds since they began.

    Args:
        root: where the node's cgroups are; of version 1, 2 or both.
    """

    def __init__(self, root: Path) -> None:
        self._two = (root / "cgroup.controllers").exists()
        used, held = (root, root) if self._two else (root / "cpuacct", root / "cpu")
        tops = [top for top in TOPS if (used / top).is_dir()]
        if not tops:
            raise OSError(f"no pods are seen below {used}: looked for {', '.join(TOPS)}")
        self._used, self._held = used / tops[0], held / tops[0]

    def pods(self) -> dict[str, Path]:
        """Give the pods' cgroups by their UIDs."""
        found = {}
        for directory in (self._used, *_directories(self._used)):
            for each in _directories(directory):
                if named := POD.search(each.name):
                    found[named[1].replace("_", "-")] = each
        return found

    def containers(self, pod: Path) -> dict[str, Path]:
        """Give the cgroups of a pod's containers by their ids."""
        return {named[1]: each for each in _directories(pod) if (named := CONTAINER.search(each.name))}

    def used(self, cgroup: Path) -> float:
        """Give what it has used."""
        if self._two:
            return _stat(cgroup / "cpu.stat").get("usage_usec", 0) / 1e6
        return int((cgroup / "cpuacct.usage").read_text()) / 1e9

    def waited(self, cgroup: Path) -> float:
        """Give for how long its limit has let it stand."""
        if self._two:
            return _stat(cgroup / "cpu.stat").get("throttled_usec", 0) / 1e6
        held = self._held / cgroup.relative_to(self._used)
        return _stat(held / "cpu.stat").get("throttled_time", 0) / 1e9


def _directories(path: Path) -> list[Path]:
    try:
        return [Path(each.path) for each in os.scandir(path) if each.is_dir(follow_symlinks=False)]
    except OSError:
        return []  # it has ended


def _stat(path: Path) -> dict[str, int]:
    return {name: int(value) for name, _, value in (line.partition(" ") for line in path.read_text().splitlines())}


class Since:
    """How much numbers that only grow have grown since they were last told."""

    def __init__(self) -> None:
        self._before: dict[str, float] = {}

    def grown(
        self, now: Mapping[str, float], *, begin: float | None = None, listed: Collection[str] = ()
    ) -> dict[str, float]:
        """Give it by name; of who is new, from `begin` on, or nothing.

        Args:
            listed: who is still there, so that what one that could not be read was is not forgotten.
        """
        before = self._before
        self._before = {**{name: value for name, value in before.items() if name in listed}, **now}
        since = {name: before.get(name, begin) for name in now}
        return {name: max(now[name] - value, 0.0) for name, value in since.items() if value is not None}


def readings(what: Callable[[Path], float], groups: Mapping[str, Path]) -> dict[str, float]:
    """Read a number of each cgroup that has not ended."""
    found = {}
    for name, group in groups.items():
        try:
            found[name] = what(group)
        except (OSError, ValueError):
            continue
    return found


def ticks() -> tuple[float, float]:
    """Give the node's time on all processors since it began, and what of it was idle, in its kernel's ticks."""
    numbers = [float(word) for word in Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]]
    return sum(numbers), numbers[3] + numbers[4]
