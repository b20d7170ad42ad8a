"""What a device is, and the one sentence that says why something is not one."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

NAME_LENGTH = 50
TYPE_LENGTH = 50
# What the database's 64-bit integer holds.
UID_MIN, UID_MAX = -(2**63), 2**63 - 1
FIELDS = ("name", "uid", "type", "price")
EXAMPLE = '{"name": "lamp", "uid": 7, "type": "light", "price": 9.5}'


class InvalidDeviceError(ValueError):
    """Why the given data is not a device."""


@dataclass(frozen=True)
class Device:
    """One device; `name` is unique."""

    name: str
    uid: int
    type: str
    price: float

    def as_dict(self) -> dict[str, Any]:
        """Give the device as JSON and the database hold it."""
        return asdict(self)


def parse_device(body: bytes, name: str | None = None) -> Device:
    """Read a device from a request's body; `name`, when given, is the one that its address already says."""
    data = _object(body)
    if name is not None and data.setdefault("name", name) != name:
        raise InvalidDeviceError(
            f"name is {_shown(data['name'])}, but the address says {_shown(name)}: leave name out."
        )
    for kind, fields in (
        ("missing", [field for field in FIELDS if field not in data]),
        ("unknown", [field for field in data if field not in FIELDS]),
    ):
        if fields:
            raise InvalidDeviceError(
                f"{kind} field {', '.join(map(_shown, fields[:5]))}: a device has exactly {', '.join(FIELDS)}."
            )
    return Device(
        name=parse_name(data["name"]),
        uid=_uid(data["uid"]),
        type=_text("type", data["type"], TYPE_LENGTH),
        price=_price(data["price"]),
    )


def parse_name(value: Any) -> str:
    """Check a device's name, which is also the last part of its address."""
    name = _text("name", value, NAME_LENGTH)
    if "/" in name or name in (".", ".."):
        raise InvalidDeviceError(f"name is {_shown(name)}, but must be usable in an address: no slash, no '.' or '..'.")
    return name


def _object(body: bytes) -> dict[str, Any]:
    """Read one JSON object: strict JSON, each key once."""
    try:
        data = json.loads(body.decode(), parse_constant=_no_constant, object_pairs_hook=_unique_keys)
    except InvalidDeviceError:
        raise
    except (ValueError, RecursionError) as error:
        raise InvalidDeviceError(
            f"the body is not JSON ({_reason(error)}): send an object such as {EXAMPLE}."
        ) from None
    if not isinstance(data, dict):
        raise InvalidDeviceError(f"the body is {_kind(data)}, but must be an object such as {EXAMPLE}.")
    return data


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)[:100]


def _no_constant(text: str) -> None:
    raise InvalidDeviceError(f"{text} is not a JSON number: give a finite one.")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise InvalidDeviceError("a field is given twice: give each once.")
    return data


def _text(field: str, value: Any, length: int) -> str:
    if not isinstance(value, str):
        raise InvalidDeviceError(f"{field} is {_kind(value)}, but must be a string of 1 to {length} characters.")
    # isprintable also refuses control characters and lone surrogates, which no database takes.
    if not 1 <= len(value) <= length or not value.isprintable() or value != value.strip():
        raise InvalidDeviceError(
            f"{field} is {_shown(value)} ({len(value)} characters), but must be 1 to {length} printable characters, "
            "without spaces around them."
        )
    return value


def _uid(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidDeviceError(f"uid is {_kind(value)}, but must be an integer, such as 7.")
    if not UID_MIN <= value <= UID_MAX:
        raise InvalidDeviceError(f"uid is out of range: it must be from {UID_MIN} to {UID_MAX}.")
    return value


def _price(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidDeviceError(f"price is {_kind(value)}, but must be a number, such as 9.5.")
    try:
        price = float(value)
    except OverflowError:
        price = math.inf
    if not math.isfinite(price) or price < 0:
        raise InvalidDeviceError("price is out of range: it must be a finite number from 0 up.")
    return price + 0.0  # -0.0 is 0


def _shown(value: Any) -> str:
    """Show a value that somebody sent, shortened and without anything but ASCII."""
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "an integer", float: "a fraction", str: "a string", list: "a list"}
    return names.get(type(value), "an object")
