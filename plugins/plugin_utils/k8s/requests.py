# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What pods ask of their node, and whether it takes any."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubernetes.utils.quantity import parse_quantity

ENDED = ("Succeeded", "Failed")


def cpu_of(pod: Mapping[str, Any]) -> float:
    """Give a pod's CPU requests in thousandths of a core, sidecars included, as the scheduler counts them."""
    spec = pod["spec"]
    sidecars = [each for each in spec.get("initContainers") or [] if each.get("restartPolicy") == "Always"]
    return sum(millicores(_request(each)) for each in (*(spec.get("containers") or []), *sidecars))


def _request(container: Mapping[str, Any]) -> Any:
    return ((container.get("resources") or {}).get("requests") or {}).get("cpu", 0)


def millicores(quantity: Any) -> float:
    """Give a CPU quantity in thousandths of a core.

    >>> [millicores(each) for each in ("2m", "0.5", 2)]
    [2.0, 500.0, 2000.0]
    """
    return float(parse_quantity(quantity) * 1000)


def memory(quantity: Any) -> float:
    """Give a memory quantity in bytes.

    >>> memory("8Gi") / 2**30
    8.0
    """
    return float(parse_quantity(quantity))


def is_running(pod: Mapping[str, Any]) -> bool:
    """Tell whether a pod takes anything: it has not ended."""
    return (pod.get("status") or {}).get("phase") not in ENDED


def is_closed(node: Mapping[str, Any]) -> bool:
    """Tell whether a node takes no pods of people."""
    spec = node["spec"]
    closed = any(taint["effect"] in ("NoSchedule", "NoExecute") for taint in spec.get("taints") or [])
    return bool(spec.get("unschedulable")) or closed
