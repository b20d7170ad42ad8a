"""What a student writes is judged in every field by which it would reach out of the place.

The expressions themselves are judged by an API server: tests/acceptance/attempts.py has an attempt for each.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

TEMPLATE = Path(__file__).parents[4] / "roles" / "student" / "templates" / "admission.yml.j2"
# By policy: what an expression must look at, and in whose pods (`room`: where the images are the room's own).
JUDGED = {
    "routes": (
        *("hosts", "exportTo", "gateways", "destinations", "delegate", "subsets"),
        *("trafficPolicy", "portLevelSettings", "tls", "tableSize", "minimumRingSize", "httpHeaderName", "httpCookie"),
        "httpQueryParameterName",
    ),
    "pods": (
        *("finalizers", "priorityClassName", "terminationGracePeriodSeconds", "annotations", "nodeName"),
        *("ephemeral", "image", "podAffinity", "podAntiAffinity", "namespaceSelector", "namespaces"),
        *("spec.resources", "serviceAccountName"),
        *("livenessProbe", "readinessProbe", "startupProbe", "exec", "periodSeconds", "hostUsers"),
    ),
    "room": ("images", "tolerations", "initContainers", "istio-iptables"),
    "writes": ("finalizers", "ownerReferences", "annotations", "managedFields"),
}


def policies(images: list[str]) -> dict[str, dict[str, Any]]:
    environment = jinja2.Environment()
    environment.filters["to_json"] = lambda value: f'"{value}"'
    environment.filters["regex_replace"] = lambda value, old, new: re.sub(old, new, value, count=1)
    given = {"student_room": "workshop", "student_images": images, "__student_account": "student"}
    items = [item for item in yaml.safe_load_all(environment.from_string(TEMPLATE.read_text()).render(given)) if item]
    return {
        item["metadata"]["name"].removeprefix("workshop-student-"): item["spec"]
        for item in items
        if item["kind"] == "ValidatingAdmissionPolicy"
    }


def expressions(policy: dict[str, Any]) -> str:
    """What is denied, with the variables that are used for that."""
    denied = [each["expression"] for each in policy["validations"]]
    used = policy.get("variables", [])
    for _ in used:
        known = "\n".join(denied)
        denied += [
            each["expression"]
            for each in used
            if f"variables.{each['name']}" in known and each["expression"] not in denied
        ]
    return "\n".join(denied)


@pytest.mark.parametrize(("name", "field"), [(name, field) for name, fields in JUDGED.items() for field in fields])
def test_a_field_that_reaches_out_of_the_place_is_judged(name: str, field: str) -> None:
    found = policies(["registry/"])["pods" if name == "room" else name]
    assert re.search(rf"\b{re.escape(field)}\b", expressions(found))
    if name == "room":
        elsewhere = expressions(policies([])["pods"])
        assert not re.search(rf"\.all\([a-z], .*\b{re.escape(field)}\b", elsewhere)


def test_each_refusal_says_why_and_none_is_the_same() -> None:
    for policy in policies(["registry/"]).values():
        said = [each.get("message") or each["messageExpression"] for each in policy["validations"]]
        assert all(said)
        assert len(said) == len({*said})
