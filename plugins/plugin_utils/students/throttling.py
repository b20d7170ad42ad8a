# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who takes more of a node's processors than is left, and what its containers may take then.

A place has a credit of processor-seconds, a token bucket (https://www.rfc-editor.org/rfc/rfc2697): its share of the
node flows into it, what its pods use flows out. The program that works with this (roles/student/files/throttle.py) has
nothing but Python: so this imports nothing else.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import PREFIX

# On a pod that is throttled: a JSON object of what its containers' limits of CPU were, by their names.
LIMITS = f"{PREFIX}cpu-limits"
# On the namespace of a place that is throttled: since when (RFC 3339, UTC), and on which node.
THROTTLED = f"{PREFIX}throttled"
# A full credit is so many seconds of the whole node.
FULL_SECONDS = 5.0
# What a node itself does for a pod that comes and goes, which is in no cgroup of it, in processor-seconds
# (docs/decisions/throttling.md); and the full credit of that.
START_USES, STARTS_FULL_SECONDS = 4.0, 60.0
# The quota of no pods of a place that has used that up.
HELD = "throttled"
# The least that a container is given, in thousandths of a processor, which is the least that kubelets know: its probes
# are answered with it.
LEAST = 10
# A limit that would change by less stays.
CHANGE = 0.5
# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/, as far as CPU is written so.
QUANTITY = re.compile(r"([0-9]{1,12}(?:\.[0-9]{0,12})?|\.[0-9]{1,12})(?:([numk]?)|[eE]([+-]?[0-9]{1,2}))", re.ASCII)
EXPONENTS = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3}


class Credits:
    """The credits of a node's places, in processor-seconds.

    Args:
        processors: what the node has.
        share: the part of it that a place may take for ever.
        seconds: of the whole node, which a full credit is.
    """

    def __init__(self, processors: float, share: float, seconds: float = FULL_SECONDS) -> None:
        self.share = processors * share
        self._full = processors * seconds
        self._left: dict[str, float] = {}

    def charge(self, used: Mapping[str, float], seconds: float) -> None:
        """Count what places have used in these seconds; of who is not named it is nothing."""
        for place in {*self._left, *used}:
            left = self._left.get(place, self._full) + self.share * seconds - used.get(place, 0.0)
            self._left[place] = min(max(left, 0.0), self._full)

    def spent(self) -> set[str]:
        """Name those that have none left."""
        return {place for place, left in self._left.items() if left <= 0}

    def has(self, place: str, part: float) -> bool:
        """Tell whether a place has such a part of a full credit."""
        return self._left.get(place, self._full) >= self._full * part

    @property
    def full_after(self) -> float:
        """The seconds after which a credit that was used up is full again."""
        return self._full / self.share

    def fill(self, place: str) -> None:
        """Let a place begin anew."""
        self._left.pop(place, None)


def throttled(namespace: Mapping[str, Any]) -> tuple[str, str]:
    """Read on a place's namespace since when it is throttled, and on which node; both are empty if it is not."""
    since, _, node = (namespace["metadata"].get("annotations") or {}).get(THROTTLED, "").partition(" ")
    return since, node


def each_of(number: int, together: float) -> int:
    """Give the limit that each of so many containers has, in thousandths of a processor.

    Each gets as much as the others: what one alone may take at once is short, so that others wait for it the less.

    Args:
        together: processors that they get together, unless that is less than each must have.

    >>> [each_of(number, 0.25) for number in (10, 40)]
    [25, 10]
    """
    return max(int(1000 * together / max(number, 1)), LEAST)


def containers(pod: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Give a pod's containers that run for as long as it does: the list in its spec, the container, its id."""
    for part in ("initContainers", "containers"):
        statuses = (pod.get("status") or {}).get(part.removesuffix("s") + "Statuses") or []
        ids = {status["name"]: str(status.get("containerID") or "").rpartition("/")[2] for status in statuses}
        for container in pod["spec"].get(part) or []:
            if part == "containers" or container.get("restartPolicy") == "Always":
                yield part, container, ids.get(container["name"], "")


def limit(container: Mapping[str, Any]) -> str | None:
    """Give a container's limit of CPU as it is written; None if it has none."""
    found = _cpu(container, "limits")
    return None if found is None else str(found)


def limited(pod: Mapping[str, Any], amount: int, had: Mapping[str, str]) -> dict[str, Any] | None:
    """Give the change of a pod that gives its containers such a limit; None if they have about the same already.

    Args:
        amount: thousandths of a processor. None gets more than it had, nor as little as it has requested: the API
            server would refuse that, as a change of the pod's quality of service.
        had: the limits that its containers had before, by name.
    """
    wanted: dict[tuple[str, str], str] = {}
    differs = False
    for part, container, identity in containers(pod):
        now, requested = millis(limit(container)), millis(_cpu(container, "requests")) or 0
        if identity and (not now or now > requested):
            most = millis(had.get(container["name"])) or now or amount
            least = min(max(amount, requested + 1), max(most, requested + 1))
            differs = differs or not now or abs(now - least) > CHANGE * least
            wanted[part, container["name"]] = f"{least}m"
    return resized(wanted) if differs else None


def resized(limits: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """Give the change of a pod's resources, as the subresource `resize` takes it, by list and name of the container."""
    spec: dict[str, list[dict[str, Any]]] = {}
    for (part, name), amount in limits.items():
        spec.setdefault(part, []).append({"name": name, "resources": {"limits": {"cpu": amount}}})
    return {"spec": spec}


def _cpu(container: Mapping[str, Any], kind: str) -> Any:
    return ((container.get("resources") or {}).get(kind) or {}).get("cpu")


def millis(quantity: Any) -> int | None:
    """Give a quantity of CPU in whole thousandths, rounded up; None if it is none.

    >>> [millis(each) for each in ("50m", "1", ".5", 2, "11e-3", "1500u", None, "much")]
    [50, 1000, 500, 2000, 11, 2, None, None]
    """
    found = QUANTITY.fullmatch(str(quantity))
    if not found:
        return None
    exponent = int(found[3]) if found[3] else EXPONENTS[found[2]]
    return math.ceil(Decimal(found[1]).scaleb(exponent + 3))


def remembered(text: str) -> dict[str, str]:
    """Read what a pod's limits were (LIMITS); a student's Deployment may have written something else there."""
    try:
        return {str(name): value for name, value in json.loads(text).items() if millis(value)}
    except (ValueError, AttributeError, RecursionError):
        return {}
