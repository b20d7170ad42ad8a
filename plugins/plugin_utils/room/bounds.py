# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What roles' options may be, as far as their kinds do not say it: what is allowed when a value is bad, and an example.

What a cluster would refuse later, place by place, is refused before anything is done, whichever playbook it is for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

# What the load client takes (services/README.md, LOAD_RATE).
MOST_REQUESTS = 500
# What a container of a place may ask for, in thousandths of a processor, and what its limits may be, in processors and
# in bytes (roles/student/templates/quota.yml.j2).
LEAST_REQUEST, MOST_REQUEST, MOST_CPU, MOST_MEMORY = 1, 500, 1, 512 * 2**20
LONGEST_SECONDS = 86400
# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
_QUANTITY = re.compile(
    r"([0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?[0-9]{1,2}))?", re.ASCII
)
_SUFFIXES = {
    **{suffix: 10.0 ** (3 * power) for power, suffix in enumerate("num kMGTPE", -3) if suffix != " "},
    **{f"{suffix}i": 1024.0**power for power, suffix in enumerate("KMGTPE", 1)},
}
# https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax: the least and the most of each
# field, and its names from the least on.
_CRON_WORDS = {f"@{word}" for word in ("hourly", "daily", "midnight", "weekly", "monthly", "yearly", "annually")}
_CRON_PART = re.compile(r"(?:[*?]|(\w+)(?:-(\w+))?)(?:/0*[1-9][0-9]{0,8})?", re.ASCII)
_CRON_FIELDS: tuple[tuple[int, int, str], ...] = (
    (0, 59, ""),
    (0, 23, ""),
    (1, 31, ""),
    (1, 12, "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC"),
    (0, 6, "SUN MON TUE WED THU FRI SAT"),
)
# https://kubernetes.io/docs/concepts/policy/resource-quotas/: what is counted (and `count/...`), and measured.
_COUNTED = {
    *("pods", "services", "services.nodeports", "services.loadbalancers", "secrets", "configmaps"),
    *("persistentvolumeclaims", "resourcequotas", "replicationcontrollers"),
}
_MEASURED = re.compile(
    r"(requests\.|limits\.)?(cpu|memory|ephemeral-storage)|requests\.storage|(requests\.)?hugepages-\w+"
)
_QUALIFIED = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?", re.ASCII)

# What is allowed when a value is bad, None when it is good.
Check = Callable[[Any], str | None]


def broken(name: str, value: Any) -> tuple[str, Any] | None:
    """Say what an option may be, with an example of its value, when a value is none of that."""
    check, example = CHECKS.get(name) or (_seconds if name.endswith("_timeout") else _anything, "180")
    allowed = check(value)
    return (allowed, example) if allowed else None


def amount(value: Any) -> float:
    """Read a quantity as Kubernetes writes it; what is none is no number.

    >>> [amount(each) for each in ("1m", 2, "1.5Gi", "1e3", "-1", True)]
    [0.001, 2.0, 1610612736.0, 1000.0, nan, nan]
    """
    found = None if isinstance(value, bool) else _QUANTITY.fullmatch(str(value))
    if not found:
        return math.nan
    factor = _SUFFIXES[found[2]] if found[2] else 10.0 ** int(found[3] or 0)
    return float(found[1]) * factor


def _number(value: Any) -> float:
    try:
        return math.nan if isinstance(value, bool) else float(value)
    except (ValueError, TypeError, OverflowError):
        return math.nan


def _anything(_: Any) -> None:
    return None


def _seconds(value: Any) -> str | None:
    good = 1 <= _number(value) <= LONGEST_SECONDS
    return None if good else f"a whole number from 1 to {LONGEST_SECONDS} (seconds)"


def _rate(value: Any) -> str | None:
    good = 0 <= _number(value) <= MOST_REQUESTS
    return None if good else f"a number from 0 to {MOST_REQUESTS} (requests a second)"


def _share(value: Any) -> str | None:
    good = 0 < _number(value) <= 1
    return None if good else "above 0 and at most 1 (a part of a node's processors; 1 throttles nobody)"


def _cpu_request(value: Any) -> str | None:
    good = LEAST_REQUEST <= round(1000 * amount(value), 6) <= MOST_REQUEST
    return None if good else f"a quantity of CPU from {LEAST_REQUEST}m to {MOST_REQUEST}m"


def _proxy_resources(value: Any) -> str | None:
    parts = [value.get(part, "") if isinstance(value, Mapping) else "" for part in ("requests", "limits")]
    kinds = [each.get(kind, "") if isinstance(each, Mapping) else "" for each in parts for kind in ("cpu", "memory")]
    if None in (*parts, *kinds):  # a template, which nobody can judge yet
        return None
    cpu, memory, most_cpu, most_memory = map(amount, kinds)
    least = LEAST_REQUEST / 1000
    if least <= cpu <= most_cpu <= MOST_CPU and 0 < memory <= most_memory <= MOST_MEMORY:
        return None
    return (
        f"requests and limits of cpu ({LEAST_REQUEST}m to {MOST_CPU}) and memory (to {MOST_MEMORY // 2**20}Mi), all "
        "four of them, and no request above its limit"
    )


def _quota(value: Any) -> str | None:
    found = value if isinstance(value, Mapping) else {}
    good = "pods" in found and all(_is_hard(name, each) for name, each in found.items())
    allowed = (
        "a mapping of quantities, that of pods among them (it replaces the default as a whole), by names that a "
        "ResourceQuota knows, and whole where it counts"
    )
    return None if good else allowed


def _is_hard(resource: Any, quantity: Any) -> bool:
    """Tell whether a ResourceQuota takes this; None is a template, which nobody can judge yet."""
    name = str(resource)
    counted = name in _COUNTED or name.startswith("count/")
    known = _QUALIFIED.fullmatch(name) if "/" in name else counted or _MEASURED.fullmatch(name)
    found = 0.0 if quantity is None else amount(quantity)
    return bool(known) and not math.isnan(found) and (not counted or found.is_integer())


def _images(value: Any) -> str | None:
    good = isinstance(value, (list, tuple)) and all(each is None or (isinstance(each, str) and each) for each in value)
    return None if good else "a list of what the images begin with"


def _schedule(value: Any) -> str | None:
    fields = value.split() if isinstance(value, str) else []
    if len(fields) == len(_CRON_FIELDS):
        good = all(_is_field(text, *field) for text, field in zip(fields, _CRON_FIELDS, strict=True))
    else:
        good = isinstance(value, str) and value in _CRON_WORDS
    return None if good else "five fields as cron writes them, each within its bounds (minutes 0 to 59)"


def _is_field(text: str, least: int, most: int, names: str) -> bool:
    """Tell whether a CronJob takes a field of its schedule.

    >>> [_is_field(text, 0, 59, "") for text in ("*/5", "0,30", "1-59/7", "60", "5-1", "*/0", "")]
    [True, True, True, False, False, False, False]
    """
    known = {name: number for number, name in enumerate(names.split(), least)}
    for part in text.split(","):
        found = _CRON_PART.fullmatch(part)
        if not found:
            return False
        ends = [known.get(end.upper(), int(end) if end.isdecimal() else -1) for end in found.groups() if end]
        if ends and not least <= ends[0] <= ends[-1] <= most:
            return False
    return True


# By option: its check, and an example.
CHECKS: dict[str, tuple[Check, Any]] = {
    "student_load_rate": (_rate, "0.5"),
    "student_processor_share": (_share, "0.25"),
    "student_cpu_request": (_cpu_request, "1m"),
    "student_proxy_resources": (
        _proxy_resources,
        {"requests": {"cpu": "1m", "memory": "40Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}},
    ),
    "student_quota": (_quota, {"pods": "20"}),
    "student_images": (_images, ["registry.example/class/"]),
    "student_expiry_schedule": (_schedule, "*/5 * * * *"),
}
