"""A place is bounded in everything that it can take of others, and the application fits, whatever stage it is at."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from kubernetes.utils.quantity import parse_quantity

from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import app_services
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import staged_services

ROOT = Path(__file__).parents[4]
ROLE = ROOT / "roles" / "student"
DEFAULTS = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
QUOTA: dict[str, str] = DEFAULTS["student_quota"]
SERVICES = yaml.safe_load((ROOT / "roles/room/defaults/main/apps.yml").read_text())["workshop_apps"]["alephbeth"][
    "services"
]
# As the kubelet rotates them: 10Mi, five times a container.
LOGS = 50 * 2**20
KINDS = ("cpu", "memory", "ephemeral-storage")


def rendered() -> tuple[dict[str, Any], dict[str, Any]]:
    environment = jinja2.Environment()
    environment.filters["to_json"] = lambda value: yaml.safe_dump(value, default_flow_style=True).strip()
    text = environment.from_string((ROLE / "templates" / "quota.yml.j2").read_text()).render(
        {**DEFAULTS, "__student_token": "PLACE"}
    )
    quota, limits = yaml.safe_load_all(text)
    assert (quota["kind"], limits["kind"]) == ("ResourceQuota", "LimitRange")
    return quota["spec"]["hard"], {each["type"]: each for each in limits["spec"]["limits"]}


HARD, RANGE = rendered()


def bytes_of(quantity: Any) -> float:
    return float(parse_quantity(quantity))


def resources(asked: dict[str, Any]) -> dict[str, dict[str, float]]:
    """What a container asks for when the limits' defaults are added."""
    of, default = RANGE["Container"], {"requests": "defaultRequest", "limits": "default"}
    return {
        which: {kind: bytes_of(asked.get(which, {}).get(kind, of[default[which]][kind])) for kind in KINDS}
        for which in default
    }


def pods() -> list[list[dict[str, dict[str, float]]]]:
    """A place's pods, containers and proxies, while each service with stages runs twice, and each rolls."""
    services = app_services.of_student(SERVICES, DEFAULTS["student_cpu_request"], 1)
    twice = dict.fromkeys(staged_services(services), 2)
    proxy = resources(DEFAULTS["student_proxy_resources"])
    return [
        [resources(service["resources"]), proxy]
        for service in services
        for _ in range(twice.get(service["name"], 1) + (0 if "volume" in service else 1))
    ]


def test_all_of_a_place_fits_at_work_and_while_it_rolls() -> None:
    total: Counter[str] = Counter({"pods": len(pods())})
    for pod in pods():
        for container in pod:
            total.update({f"{which}.{kind}": container[which][kind] for which in container for kind in KINDS})
    short = {
        name: (amount, HARD[name]) for name, amount in total.items() if name in HARD and amount > bytes_of(HARD[name])
    }
    assert not short
    assert {"pods", "requests.ephemeral-storage", "limits.ephemeral-storage", "limits.memory", "limits.cpu"} <= {
        *HARD
    } & {*total}


def test_no_container_of_it_asks_for_more_than_one_may() -> None:
    most = {kind: bytes_of(RANGE["Container"]["max"][kind]) for kind in KINDS}
    assert [
        container for pod in pods() for container in pod for kind in KINDS if container["limits"][kind] > most[kind]
    ] == []


def test_what_a_pod_of_it_may_write_is_within_what_it_may_take_of_the_disk() -> None:
    text = (ROOT / "roles/app/templates/deployment.yml.j2").read_text()
    assert text.count("emptyDir:") == 1
    size = bytes_of(text.partition("emptyDir: {sizeLimit: ")[2].partition("}")[0])
    for pod in pods():
        assert size + LOGS * len(pod) <= sum(container["limits"]["ephemeral-storage"] for container in pod)
        assert all(container["limits"]["ephemeral-storage"] >= LOGS for container in pod)


def test_who_verifies_a_place_has_room_for_its_jobs() -> None:
    """Each pod that tries its policies and its mesh is a Job's; those of a killed run are there for a while."""
    services = app_services.of_student(SERVICES, "1m", 1)
    jobs = [
        job
        for job in (
            *app_services.connection_checks(services, "anna", "default"),
            *app_services.mesh_checks(services, "anna"),
        )
        if job["namespace"] == "anna"
    ]
    assert len(jobs) > 5
    assert 2 * len(jobs) <= int(HARD["count/jobs.batch"])
    assert len(jobs) + len(SERVICES) <= int(HARD["pods"])


def test_its_volumes_fit() -> None:
    sizes = [bytes_of(claim["size"]) for claim in app_services.claims(SERVICES)]
    assert len(sizes) <= int(HARD["persistentvolumeclaims"])
    assert sum(sizes) <= bytes_of(HARD["requests.storage"])
    assert max(sizes) <= bytes_of(RANGE["PersistentVolumeClaim"]["max"]["storage"])


def test_a_full_quota_of_pods_that_say_nothing_fits() -> None:
    """Else the disk would be what a student runs out of first, with no sentence that says so."""
    nothing = resources({})
    for which in nothing:
        assert 20 * 2 * nothing[which]["ephemeral-storage"] <= bytes_of(HARD[f"{which}.ephemeral-storage"])


BOUNDED = [
    *("pods", "services", "persistentvolumeclaims", "count/deployments.apps", "count/replicasets.apps"),
    *("count/configmaps", "count/secrets", "count/jobs.batch", "count/cronjobs.batch", "count/statefulsets.apps"),
    *("count/virtualservices.networking.istio.io", "count/destinationrules.networking.istio.io"),
    *(f"{which}.{kind}" for which in ("requests", "limits") for kind in KINDS),
    *("requests.storage", "services.nodeports", "services.loadbalancers"),
]


@pytest.mark.parametrize("what", BOUNDED)
def test_a_place_has_a_bound_of(what: str) -> None:
    assert bytes_of(HARD[what]) < 2**34


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", ["default", "defaultRequest", "max"])
def test_a_container_that_says_nothing_has_a_bound_of(kind: str, which: str) -> None:
    assert 0 < bytes_of(RANGE["Container"][which][kind]) <= bytes_of(RANGE["Container"]["max"][kind])
