"""Requests made up from the OpenAPI descriptions that the services publish: each keeps to its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance

import hasher
import rng
import webui
from device_backend import create_backend
from front import create_app as create_front

if TYPE_CHECKING:
    from tests.unit.services.conftest import Database, RedisServer

NOWHERE = "http://127.0.0.1:1"
COMMON = {"GET /version", "GET /healthz", "GET /readyz", "GET /metrics"}
OPERATIONS = {
    "aleph": {"GET /devices", "POST /devices", "GET /name"}
    | {f"{method} /devices/{{name}}" for method in ("GET", "PUT", "DELETE")},
    "front": {"GET /", "GET /backends", "GET /login", "POST /login", "GET /logout", "POST /logout"},
    "rng": {"GET /", "GET /{count}"},
    "hasher": {"GET /", "POST /"},
    "webui": {"GET /", "GET /json"},
}


@pytest.fixture
def make_service(request: pytest.FixtureRequest) -> Callable[[str], Flask]:
    """Make a service by its name, with what it needs behind it."""

    def make(name: str) -> Flask:
        environ = {"VERSION": "0.3", "WORK_SECONDS": "0", "ALEPH_URL": NOWHERE, "BETH_URL": NOWHERE}
        if name == "aleph":
            database: Database = request.getfixturevalue("ferretdb")
            return create_backend(name, environ | {"DATABASE_URL": database.url})
        if name == "webui":
            redis: RedisServer = request.getfixturevalue("redis_server")
            return webui.create_app(environ | {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(redis.port)})
        return {"front": create_front, "rng": rng.create_app, "hasher": hasher.create_app}[name](environ)

    return make


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_service_keeps_to_its_description(
    make_service: Callable[[str], Flask], name: str, mode: GenerationMode
) -> None:
    """No 5xx, and nothing but the described statuses, types and schemas, whether a request is right or wrong."""
    tried = set()
    for found in schemathesis.openapi.from_wsgi("/openapi.json", make_service(name)).get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        tried.add(operation.label)

        @settings(max_examples=40, suppress_health_check=list(HealthCheck))
        @given(operation.as_strategy(generation_mode=mode))
        def keeps_to_it(case: Any) -> None:
            # Names are of printable characters, without a slash: a JSON schema cannot say so.
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        try:
            keeps_to_it()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE, "nothing can be wrong about what takes no arguments"
    assert tried == OPERATIONS[name] | COMMON


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_route_is_described(make_service: Callable[[str], Flask], name: str) -> None:
    """What is added to a service is fuzzed too; not its files, nor /ping, whose slowness is a lesson."""
    app = make_service(name)
    rules = {
        f"{method} {rule.rule.replace('<int:', '{').replace('<', '{').replace('>', '}')}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if not rule.rule.endswith("<path:filename>") and rule.rule not in ("/openapi.json", "/ping")
    }
    assert rules == OPERATIONS[name] | COMMON
