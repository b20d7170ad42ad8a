"""What a page's answer says for the whole address, which all places have in common, does not get through the door."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOOR = ROOT / "roles" / "door"
# What a browser keeps of an answer beyond its page: https://www.w3.org/TR/service-workers/#service-worker-allowed,
# https://www.w3.org/TR/clear-site-data/, RFC 6797 (STS), RFC 7838 (Alt-Svc), https://www.w3.org/TR/network-error-logging/,
# https://www.w3.org/TR/reporting-1/.
OF_ALL = [
    *("Service-Worker-Allowed", "Clear-Site-Data", "Strict-Transport-Security", "Alt-Svc"),
    *("NEL", "Report-To", "Reporting-Endpoints"),
]


def routes() -> list[dict[str, Any]]:
    environment = jinja2.Environment()
    environment.filters["to_json"] = json.dumps
    variables = yaml.safe_load((DOOR / "vars" / "main.yml").read_text())
    page = {"name": "front", "port": 80, "container_port": 8080}
    given = {"door_place": "anna", "door_path": "/anna/", "door_namespace": "workshop-door", "door_pages": [page]}
    made = environment.from_string((DOOR / "templates" / "place.yml.j2").read_text()).render(variables | given)
    (service,) = [item for item in yaml.safe_load_all(made) if item and item["kind"] == "VirtualService"]
    found: list[dict[str, Any]] = service["spec"]["http"]
    return found


@pytest.mark.parametrize("header", OF_ALL)
def test_what_holds_for_the_whole_address_is_taken_off(header: str) -> None:
    (page,) = [route for route in routes() if "route" in route]
    assert header in page["headers"]["response"]["remove"]
    assert f"`{header}`" in (ROOT / "docs/door.md").read_text()


def test_a_page_hears_its_path_from_the_door_whatever_the_browser_says() -> None:
    (page,) = [route for route in routes() if "route" in route]
    assert page["headers"]["request"] == {"set": {"X-Forwarded-Prefix": "/anna/front"}}
    assert page["match"] == [{"uri": {"prefix": "/anna/front/"}}]
    leads = {
        match["uri"]["exact"]: route["redirect"]["uri"]
        for route in routes()
        if "redirect" in route
        for match in route["match"]
    }
    assert leads == dict.fromkeys(("/anna", "/anna/", "/anna/front"), "/anna/front/")
