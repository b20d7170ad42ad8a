"""The figures that docs/class.md tells are those that hold."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import proof, queue, sleeping, throttling

ROOT = Path(__file__).resolve().parents[2]
PAGE = " ".join((ROOT / "docs/class.md").read_text().split())
STUDENT = yaml.safe_load((ROOT / "roles/student/defaults/main.yml").read_text())
QUOTA = STUDENT["student_quota"]
PROCESSORS = 2  # of those whose figures are told


def text(path: str) -> str:
    return (ROOT / path).read_text()


def setting(name: str) -> Any:
    found = [yaml.safe_load(path.read_text()) for path in (ROOT / "roles/room/defaults/main").glob("*.yml")]
    (value,) = [each[name] for each in found if name in each]
    return value


def constant(path: str, name: str) -> float:
    """A number in a program that is not imported: `A, B = 1, 2.0`."""
    (line,) = re.findall(rf"^((?:\w+, )*{name}(?:, \w+)*) = ([-0-9._, ]+)$", text(path), re.MULTILINE)
    found = dict(zip(line[0].split(", "), line[1].split(", "), strict=True))
    return float(found[name])


def limit(part: str, kind: str) -> str:
    given = text("roles/student/templates/quota.yml.j2")
    (found,) = re.findall(rf"^ +{part}: {{(?:.*, )?{kind}: ([^,}}]+)", given, re.MULTILINE)
    return str(found)


THROTTLE, ADMISSION = "roles/student/files/throttle.py", "roles/student/templates/admission.yml.j2"
PREPARE = "roles/node/templates/usr/local/lib/istio-workshop/prepare.j2"
SHARE = PROCESSORS * STUDENT["student_processor_share"]
WORDS = {1: "an", 2: "two", 4: "four", 5: "five", 8: "eight", 10: "ten", 16: "sixteen", 20: "twenty", 30: "thirty"}


def word(number: float) -> str:
    return WORDS[round(number)]


# What stands there, with the figure in the place of {}.
FIGURES: dict[str, Callable[[], Any]] = {
    "up to {} lower-case letters": lambda: places.LONGEST_NAME,
    "after `workshop_student_hours` ({})": lambda: setting("workshop_student_hours"),
    "on `workshop_students_at_once` ({}) places": lambda: setting("workshop_students_at_once"),
    "takes more than {} seconds": lambda: f"{queue.SLOW_SECONDS:g}",
    "answered {} requests": lambda: proof.REQUESTS,
    "less than {} hour ago": lambda: word(sleeping.LEFT_HOURS),
    "within {} minutes: a CronJob": lambda: word(int(STUDENT["student_expiry_schedule"].removeprefix("*/").split()[0])),
    "and {} subsets at most": lambda: re.findall(r"subsets.*\.size\(\) <= (\d+)", text(ADMISSION))[0],
    "{} MiB a container": lambda: limit("default", "ephemeral-storage").removesuffix("Mi"),
    "a container, {} where it asks": lambda: limit("max", "ephemeral-storage").removesuffix("Mi"),
    "{} GiB a place": lambda: QUOTA["limits.ephemeral-storage"].removesuffix("Gi"),
    "Volumes: {}, of 1 GiB each": lambda: word(int(QUOTA["persistentvolumeclaims"])),
    "Volumes: two, of {} GiB each": lambda: limit("max", "storage").removesuffix("Gi"),
    "({} ReplicaSets": lambda: QUOTA["count/replicasets.apps"],
    "ReplicaSets, {} routes)": lambda: QUOTA["count/virtualservices.networking.istio.io"],
    "each of {} KiB at most": lambda: int(re.findall(r"size\(\)\s+<= (\d+)", text(ADMISSION))[-2]) // 1024,
    "the whole may be {} GiB": lambda: (
        int(re.findall(r'quota-backend-bytes, value: "(\d+)"', text("roles/cluster/templates/kubeadm-init.yaml.j2"))[0])
        // 2**30
    ),
    "at most {} (`workshop_pod_threads`": lambda: setting("workshop_pod_threads"),
    "of a machine of containers to {}": lambda: re.findall(
        r"kernel\.pid_max: (\d+)", text("roles/node_containers/defaults/main.yml")
    )[0],
    "lets through {} a second": lambda: re.findall(r"hashlimit-above (\d+)/second", text(PREPARE))[0],
    "a second ({} at once)": lambda: re.findall(r"hashlimit-burst (\d+)", text(PREPARE))[0],
    "beyond an {}h of its node": lambda: word(1 / STUDENT["student_processor_share"]),
    "a credit of {} seconds of the whole node": lambda: word(throttling.FULL_SECONDS),
    "or {} thousandths of a processor each": lambda: word(throttling.LEAST),
    "wanted little for half a minute": lambda: {30: ""}[round(constant(THROTTLE, "CALM_SECONDS"))],
    "more than {} at once": lambda: word(PROCESSORS * throttling.STARTS_FULL_SECONDS / throttling.START_USES),
    "or one in {} seconds for ever": lambda: word(throttling.START_USES / SHARE),
    "for {} minutes, or until the room itself": lambda: word(
        PROCESSORS * throttling.STARTS_FULL_SECONDS / SHARE * constant(THROTTLE, "AGAIN") / 60
    ),
    "runs a command (`exec`), every {} seconds at most": lambda: word(
        int(re.findall(r"periodSeconds\.orValue\(10\) >= (\d+)", text(ADMISSION))[0])
    ),
    "at a time (`-e rooms_at_once={}`": lambda: re.findall(
        r"'rooms_at_once', default=(\d+)", text("playbooks/rooms.yml")
    )[0],
    "is its limit (0 to {})": lambda: places.MOST_STUDENTS,
}


@pytest.mark.parametrize("sentence", FIGURES)
def test_a_figure_is_as_the_page_tells_it(sentence: str) -> None:
    assert sentence.replace("{}", str(FIGURES[sentence]())) in PAGE
