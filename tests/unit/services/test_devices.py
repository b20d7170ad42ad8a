"""The device resource over the database that the workshop runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

if TYPE_CHECKING:
    from tests.unit.services.conftest import Database

LAMP: dict[str, Any] = {"name": "lamp", "uid": 7, "type": "light", "price": 9.5}


@pytest.fixture
def client(make_backend: Callable[..., Flask], ferretdb: Database) -> FlaskClient:
    """Ask aleph, with its database."""
    return make_backend("aleph", DATABASE_URL=ferretdb.url).test_client()


def test_the_life_of_a_device(client: FlaskClient) -> None:
    assert client.get("/devices").json == {"devices": [], "next": None}
    created = client.post("/devices", json=LAMP)
    assert (created.status_code, created.json, created.headers["Location"]) == (201, LAMP, "/devices/lamp")
    assert client.get("/devices/lamp").json == LAMP
    dearer = LAMP | {"price": 12.0}
    assert client.put("/devices/lamp", json=dearer).json == dearer
    assert client.get("/devices").json == {"devices": [dearer], "next": None}
    assert client.delete("/devices/lamp").status_code == 204
    assert client.get("/devices/lamp").status_code == 404


def test_numbers_and_names_come_back_as_they_went(client: FlaskClient) -> None:
    extreme = {"name": "Zoë's 灯 100% #1?", "uid": -(2**63), "type": "a b", "price": 0.1}
    created = client.post("/devices", json=extreme)
    assert created.status_code == 201
    assert client.get(created.headers["Location"]).json == extreme
    client.post("/devices", json=LAMP | {"uid": 2**63 - 1, "price": 3})
    assert client.get("/devices/lamp").json == LAMP | {"uid": 2**63 - 1, "price": 3.0}


def test_a_duplicate_name_is_refused_and_changes_nothing(client: FlaskClient) -> None:
    client.post("/devices", json=LAMP)
    refused = client.post("/devices", json=LAMP | {"uid": 8})
    assert refused.status_code == 409
    assert refused.json == {"error": "a device named 'lamp' exists: choose another name, or PUT to replace it."}
    assert client.get("/devices/lamp").json == LAMP


def test_of_many_at_once_one_wins(make_backend: Callable[..., Flask], ferretdb: Database) -> None:
    apps = [make_backend("aleph", DATABASE_URL=ferretdb.url) for _ in range(2)]

    def create(number: int) -> int:
        return apps[number % 2].test_client().post("/devices", json=LAMP | {"uid": number}).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(create, range(16)))
    assert statuses == [201] + [409] * 15


def test_what_is_not_there_is_404(client: FlaskClient) -> None:
    for answer in (
        client.get("/devices/x"),
        client.put("/devices/x", json=LAMP | {"name": "x"}),
        client.delete("/devices/x"),
    ):
        assert answer.status_code == 404
        assert answer.json == {"error": "there is no device named 'x': GET /devices lists them."}


def test_the_list_comes_in_pages(client: FlaskClient) -> None:
    for number in range(5):
        client.post("/devices", json=LAMP | {"name": f"lamp {number}"})
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        page = client.get("/devices", query_string={"limit": 2, "after": after}).json
        assert page is not None
        seen += [device["name"] for device in page["devices"]]
        after = page["next"]
    assert seen == [f"lamp {number}" for number in range(5)]


def test_aleph_and_beth_keep_their_devices_apart(make_backend: Callable[..., Flask], ferretdb: Database) -> None:
    aleph, beth = (make_backend(name, DATABASE_URL=ferretdb.url).test_client() for name in ("aleph", "beth"))
    assert aleph.post("/devices", json=LAMP).status_code == 201
    assert beth.get("/devices/lamp").status_code == 404
    assert beth.post("/devices", json=LAMP).status_code == 201


def test_devices_outlive_the_database_process(client: FlaskClient, ferretdb: Database) -> None:
    client.post("/devices", json=LAMP)
    ferretdb.stop()
    away = client.get("/devices/lamp")
    assert away.status_code == 503
    assert away.json == {
        "error": f"the database at 127.0.0.1:{ferretdb.port} cannot be reached; try again in a few seconds."
    }
    ferretdb.start()
    deadline = time.monotonic() + 10
    while client.get("/devices/lamp").status_code == 503 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert client.get("/devices/lamp").json == LAMP
    assert client.post("/devices", json=LAMP).status_code == 409


def test_refusals_need_no_database(backend: FlaskClient) -> None:
    started = time.monotonic()
    wrong_type = backend.post("/devices", json=LAMP | {"uid": "7"})
    assert (wrong_type.status_code, wrong_type.json) == (
        400,
        {"error": "uid is a string, but must be an integer, such as 7."},
    )
    assert backend.post("/devices", data=b"{", content_type="application/json").status_code == 400
    assert backend.put("/devices/lamp", json=LAMP | {"name": "other"}).status_code == 400
    assert backend.get("/devices/" + "x" * 51).status_code == 400
    assert backend.get("/devices?limit=0").status_code == 400
    assert backend.get("/devices?after=%00").status_code == 400
    assert backend.get("/devices?after=" + "x" * 51).status_code == 400
    assert backend.post("/devices", data=b"x=1").status_code == 415
    assert backend.post("/devices", data=b"x" * 20_000, content_type="application/json").status_code == 413
    assert time.monotonic() - started < 1


def test_without_a_database_the_reason_comes_soon(backend: FlaskClient) -> None:
    started = time.monotonic()
    answer = backend.post("/devices", json=LAMP)
    assert answer.status_code == 503
    assert answer.json == {"error": "the database at 127.0.0.1:1 cannot be reached; try again in a few seconds."}
    assert answer.headers["Retry-After"] == "5"
    assert time.monotonic() - started < 5
    assert backend.get("/healthz").status_code == 200
