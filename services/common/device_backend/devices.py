"""The device resource: /devices and /devices/NAME."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import BadRequest, Conflict, NotFound, UnsupportedMediaType

from device_backend.device import EXAMPLE, InvalidDeviceError, parse_device, parse_name
from device_backend.store import DatabaseUnavailableError, DeviceExistsError, DeviceStore

PAGE = 100
MAX_PAGE = 1000


def devices(store: DeviceStore) -> Blueprint:
    """Make the resource over a store."""
    blueprint = Blueprint("devices", __name__)

    @blueprint.get("/devices")
    def read_all() -> dict[str, Any]:
        """List devices by name, a page at a time; `next` is the `after` of the next page."""
        limit = _limit(request.args.get("limit", str(PAGE)))
        after = request.args.get("after", "")
        found = store.list(after and parse_name(after), limit + 1)
        page = found[:limit]
        return {
            "devices": [device.as_dict() for device in page],
            "next": page[-1].name if len(found) > limit else None,
        }

    @blueprint.post("/devices")
    def create() -> ResponseReturnValue:
        device = parse_device(_json_body())
        try:
            store.add(device)
        except DeviceExistsError:
            raise Conflict(
                f"a device named {device.name!r} exists: choose another name, or PUT to replace it."
            ) from None
        return jsonify(device.as_dict()), 201, {"Location": f"/devices/{quote(device.name, safe='')}"}

    @blueprint.get("/devices/<name>")
    def read(name: str) -> dict[str, Any]:
        device = store.get(parse_name(name))
        if device is None:
            raise _unknown(name)
        return device.as_dict()

    @blueprint.put("/devices/<name>")
    def replace(name: str) -> dict[str, Any]:
        device = parse_device(_json_body(), parse_name(name))
        if not store.replace(device):
            raise _unknown(name)
        return device.as_dict()

    @blueprint.delete("/devices/<name>")
    def remove(name: str) -> ResponseReturnValue:
        if not store.remove(parse_name(name)):
            raise _unknown(name)
        return "", 204

    @blueprint.errorhandler(InvalidDeviceError)
    def invalid(error: InvalidDeviceError) -> ResponseReturnValue:
        return jsonify(error=str(error)), 400

    @blueprint.errorhandler(DatabaseUnavailableError)
    def unavailable(error: DatabaseUnavailableError) -> ResponseReturnValue:
        return jsonify(error=str(error)), 503, {"Retry-After": "5"}

    return blueprint


def _json_body() -> bytes:
    # A web page elsewhere can post other types without asking us first.
    if request.mimetype != "application/json":
        raise UnsupportedMediaType(
            f"the Content-Type is {request.mimetype[:60]!r}, but must be application/json: "
            f"curl -H 'Content-Type: application/json' -d '{EXAMPLE}'."
        )
    return request.get_data()


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 4 or not 1 <= int(text) <= MAX_PAGE:
        raise BadRequest(f"limit is {text[:20]!r}, but must be a whole number from 1 to {MAX_PAGE}.")
    return int(text)


def _unknown(name: str) -> NotFound:
    return NotFound(f"there is no device named {name!r}: GET /devices lists them.")
