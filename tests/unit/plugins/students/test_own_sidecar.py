"""A student's route is none of the room's own place."""

from __future__ import annotations

from pathlib import Path

import jinja2
import yaml

ROLE = Path(__file__).parents[4] / "roles" / "student"


def test_the_room_s_own_place_hears_of_no_student_s_namespace() -> None:
    """All routes of a port are one thing to a proxy, which takes none of them when one cannot be."""
    template = jinja2.Template((ROLE / "templates/own_sidecar.yml.j2").read_text())
    names = {"student_room_namespace": "staging", "student_mesh_namespace": "istio-system"}
    made = yaml.safe_load(template.render(names))
    assert (made["kind"], made["metadata"]["namespace"]) == ("Sidecar", "staging")
    assert made["spec"] == {"egress": [{"hosts": ["./*", "istio-system/*"]}]}
    assert "own_sidecar.yml.j2" in yaml.safe_load((ROLE / "vars/main.yml").read_text())["__student_room_templates"]
