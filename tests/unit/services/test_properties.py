"""What holds for all requests: made up by hypothesis."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, rule, run_state_machine_as_test

import rng
from front import create_app
from workshop_service.user import user_cookies, valid_user

if TYPE_CHECKING:
    from tests.unit.services.conftest import Database

with_fixtures = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
cookie_text = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=60)
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}", fullmatch=True)
NOWHERE = "http://127.0.0.1:1"


@given(st.lists(cookie_text, max_size=5), st.sampled_from(["", "blue"]))
def test_whatever_a_cookie_header_holds_only_names_come_out(parts: list[str], room: str) -> None:
    header = "; ".join([*parts, "user-blue=", "user"])
    assert all(valid_user(user) for user in user_cookies(header, room))


@given(
    st.lists(cookie_text.filter(lambda text: ";" not in text and not text.strip().startswith("user")), max_size=4),
    names,
)
def test_one_user_is_found_among_any_other_cookies(others: list[str], name: str) -> None:
    for header in (";".join([*others, f"user={name}"]), "; ".join([f"user={name}", *others])):
        assert user_cookies(header) == [name]
    assert user_cookies(";".join([*others, f"user-blue={name}"]), "blue") == [name]
    assert user_cookies(";".join([*others, f"user-blue={name}"]), "green") == []


@given(st.text(max_size=40))
def test_who_logs_in_is_that_user_or_is_refused(name: str) -> None:
    client = create_app({"VERSION": "0.3", "ALEPH_URL": NOWHERE, "BETH_URL": NOWHERE}).test_client()
    answer = client.post("/login", data={"user": name})
    if valid_user(name.strip()):
        assert answer.status_code == 303
        assert f"You are <strong>{name.strip()}</strong>" in client.get("/").text
    else:
        assert answer.status_code == 400
        assert "Set-Cookie" not in answer.headers


@given(st.one_of(st.integers(), st.text(max_size=30)))
def test_rng_answers_so_many_bytes_or_says_why_not(count: object) -> None:
    client = rng.create_app({"VERSION": "0.3", "WORK_SECONDS": "0"}).test_client()
    answer = client.get("/" + quote(str(count), safe=""))
    assert answer.status_code in (200, 308, 400, 404)
    if isinstance(count, int) and 0 <= count <= 1024 * 1024:
        assert len(answer.data) == count


@with_fixtures
@given(
    st.binary(max_size=300)
    | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(
        lambda value: json.dumps(value).encode()
    )
)
def test_no_body_breaks_a_backend(backend: Any, body: bytes) -> None:
    for answer in (
        backend.post("/devices", data=body, content_type="application/json"),
        backend.put("/devices/lamp", data=body, content_type="application/json"),
    ):
        assert answer.status_code == 400
        assert answer.get_json()["error"]


device_names = st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters="/"), min_size=1, max_size=50)
uids = st.integers(-(2**63), 2**63 - 1)
prices = st.floats(0, allow_infinity=False, allow_nan=False)


def test_no_write_is_lost(ferretdb: Database, make_backend: Callable[..., Flask]) -> None:
    """Any sequence of requests leaves what a dictionary would hold, asked through another pod."""
    first, second = (make_backend("aleph", DATABASE_URL=ferretdb.url).test_client() for _ in range(2))

    class Devices(RuleBasedStateMachine):
        known = Bundle("known")

        @initialize()
        def begin(self) -> None:
            for device in first.get("/devices?limit=1000").get_json()["devices"]:
                assert first.delete("/devices/" + quote(device["name"], safe="")).status_code == 204
            self.model: dict[str, dict[str, Any]] = {}

        @rule(target=known, name=device_names.filter(lambda name: name not in (".", "..")), uid=uids, price=prices)
        def add(self, name: str, uid: int, price: float) -> str:
            device = {"name": name, "uid": uid, "type": "light", "price": price}
            answer = first.post("/devices", json=device)
            assert answer.status_code == (409 if name in self.model else 201)
            self.model.setdefault(name, device)
            return name

        @rule(name=known, uid=uids)
        def replace(self, name: str, uid: int) -> None:
            answer = second.put("/devices/" + quote(name, safe=""), json={"uid": uid, "type": "heat", "price": 1.5})
            assert answer.status_code == (200 if name in self.model else 404)
            if name in self.model:
                self.model[name] = {"name": name, "uid": uid, "type": "heat", "price": 1.5}

        @rule(name=consumes(known))
        def remove(self, name: str) -> None:
            answer = first.delete("/devices/" + quote(name, safe=""))
            assert answer.status_code == (204 if self.model.pop(name, None) else 404)

        @rule(limit=st.integers(1, 3))
        def read_page_by_page(self, limit: int) -> None:
            seen, after = [], ""
            while after is not None:
                page = second.get("/devices", query_string={"limit": limit, "after": after}).get_json()
                seen += page["devices"]
                after = page["next"]
            assert {device["name"]: device for device in seen} == self.model
            assert len(seen) == len(self.model)

    run_state_machine_as_test(Devices, settings=settings(max_examples=15, stateful_step_count=20))
