"""What a device is: every mistake is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from device_backend.device import UID_MAX, UID_MIN, Device, InvalidDeviceError, parse_device

GOOD: dict[str, Any] = {"name": "lamp", "uid": 7, "type": "light", "price": 9.5}


def parse(**changes: Any) -> Device:
    return parse_device(json.dumps(GOOD | changes).encode())


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "x"},
        {"name": "x" * 50},
        {"name": "Stehlampe für Zoë, 2 灯"},
        {"uid": 0},
        {"uid": UID_MIN},
        {"uid": UID_MAX},
        {"price": 0},
        {"price": 3},
        {"price": 1e308},
    ],
)
def test_good_devices(changes: dict[str, Any]) -> None:
    assert parse(**changes).as_dict() == GOOD | changes


def test_a_whole_price_becomes_a_float() -> None:
    assert isinstance(parse(price=3).price, float)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": ""}, "name is ''"),
        ({"name": "x" * 51}, "(51 characters), but must be 1 to 50"),
        ({"name": " lamp"}, "without spaces around"),
        ({"name": "a\nb"}, "printable"),
        ({"name": "\ud800"}, "printable"),
        ({"name": "a/b"}, "no slash"),
        ({"name": ".."}, "usable in an address"),
        ({"name": 5}, "name is an integer, but must be a string"),
        ({"name": None}, "name is null"),
        ({"uid": True}, "uid is a boolean, but must be an integer"),
        ({"uid": "7"}, "uid is a string, but must be an integer"),
        ({"uid": 7.0}, "uid is a fraction, but must be an integer"),
        ({"uid": UID_MAX + 1}, "uid is out of range"),
        ({"uid": UID_MIN - 1}, "uid is out of range"),
        ({"type": ""}, "type is ''"),
        ({"type": ["light"]}, "type is a list"),
        ({"price": "9.5"}, "price is a string, but must be a number"),
        ({"price": False}, "price is a boolean"),
        ({"price": -0.01}, "price is out of range"),
        ({"price": 10**400}, "price is out of range"),
        ({"colour": "red"}, "unknown field 'colour'"),
    ],
)
def test_a_wrong_value_is_refused_with_its_reason(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidDeviceError) as refusal:
        parse(**changes)
    assert says in str(refusal.value)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "the body is not JSON"),
        (b"{", "the body is not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[" * 5000, "nested too deeply"),
        (b"[]", "the body is a list, but must be an object"),
        (b"7", "the body is an integer"),
        (b"null", "the body is null"),
        (b"{}", "missing field 'name', 'uid', 'type', 'price'"),
        (b'{"name":"a","uid":1,"type":"t","price":NaN}', "NaN is not a JSON number"),
        (b'{"name":"a","uid":1,"type":"t","price":-Infinity}', "-Infinity is not a JSON number"),
        (b'{"name":"a","uid":1,"type":"t","price":1e999}', "price is out of range"),
        (b'{"name":"a","uid":1,"type":"t","price":1,"uid":2}', "given twice"),
        (b'{"name":"a","uid":' + b"9" * 5000 + b',"type":"t","price":1}', "the body is not JSON"),
    ],
)
def test_a_body_that_is_no_device_is_refused_with_its_reason(body: bytes, says: str) -> None:
    with pytest.raises(InvalidDeviceError) as refusal:
        parse_device(body)
    assert says in str(refusal.value)


def test_the_address_names_the_device_that_is_put() -> None:
    unnamed = {key: value for key, value in GOOD.items() if key != "name"}
    assert parse_device(json.dumps(unnamed).encode(), "lamp").name == "lamp"
    assert parse_device(json.dumps(GOOD).encode(), "lamp").name == "lamp"
    with pytest.raises(InvalidDeviceError, match="the address says 'lantern'"):
        parse_device(json.dumps(GOOD).encode(), "lantern")
