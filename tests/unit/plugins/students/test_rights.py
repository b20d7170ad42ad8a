"""What a student's Role says is what a place is proved by, and no right to write is in it that is not meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.access import MUST, MUST_NOT, OWN, Right

TEMPLATE = Path(__file__).parents[4] / "roles" / "student" / "templates" / "access.yml.j2"
READ = {"get", "list", "watch"}
# What a student may change, and by what.
WRITES = {
    ("", "pods"): {"delete"},
    ("", "pods/exec"): {"create"},
    ("", "pods/portforward"): {"create"},
    ("apps", "deployments"): {"create", "update", "patch", "delete"},
    ("apps", "deployments/scale"): {"update", "patch"},
    ("networking.istio.io", "virtualservices"): {"create", "update", "patch", "delete"},
    ("networking.istio.io", "destinationrules"): {"create", "update", "patch", "delete"},
}
SECRET = {("", "secrets"), ("", "pods/proxy"), ("", "services/proxy"), ("", "serviceaccounts/token")}


# What the room's own Job may do in a place, by resource and name (none: all of them).
OF_EXPIRY = {
    ("", "namespaces", "PLACE"): {"get", "patch"},
    ("", "pods", ""): {"list", "delete"},
    ("", "resourcequotas", ""): {"create"},
    ("", "resourcequotas", "asleep"): {"get", "patch"},
    ("apps", "deployments", ""): {"list", "patch"},
    ("apps", "replicasets", ""): {"list", "patch"},
    ("coordination.k8s.io", "leases", ""): {"list"},
}


def role_of(name: str) -> dict[str, Any]:
    variables = {"__student_account": "student", "__student_token": "PLACE", "__student_expiry": "student-expiry"}
    rendered = jinja2.Template(TEMPLATE.read_text()).render(variables)
    objects = [item for item in yaml.safe_load_all(rendered) if item]
    (role,) = (item for item in objects if (item["kind"], item["metadata"]["name"]) == ("Role", name))
    return dict(role)


def test_the_room_s_own_job_may_put_a_place_to_sleep_and_no_more() -> None:
    found = {
        (group, resource, name): set(rule["verbs"])
        for rule in role_of("student-expiry")["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
    }
    assert found == OF_EXPIRY


@pytest.fixture(scope="module")
def granted() -> dict[tuple[str, str], set[str]]:
    """The verbs of each resource in the student's Role."""
    role = role_of("student")
    found: dict[tuple[str, str], set[str]] = {}
    for rule in role["rules"]:
        assert "resourceNames" not in rule
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                found.setdefault((group, resource), set()).update(rule["verbs"])
    return found


def test_nothing_is_written_that_is_not_meant(granted: dict[tuple[str, str], set[str]]) -> None:
    assert {key: verbs - READ for key, verbs in granted.items() if verbs - READ} == WRITES


def test_nothing_is_read_that_is_secret(granted: dict[tuple[str, str], set[str]]) -> None:
    assert not SECRET & granted.keys()
    assert not [name for key in granted for name in key if "*" in name]


def allows(granted: dict[tuple[str, str], set[str]], right: Right) -> bool:
    asked: dict[str, Any] = right.review("anna")["spec"]["resourceAttributes"]
    resource = "/".join(filter(None, (asked["resource"], asked["subresource"])))
    return right.namespace == OWN and asked["verb"] in granted.get((asked["group"], resource), ())


@pytest.mark.parametrize("right", MUST, ids=str)
def test_what_must_be_is_granted(granted: dict[tuple[str, str], set[str]], right: Right) -> None:
    assert allows(granted, right)


@pytest.mark.parametrize("right", MUST_NOT, ids=str)
def test_what_must_not_be_is_not(granted: dict[tuple[str, str], set[str]], right: Right) -> None:
    assert not allows(granted, right)
