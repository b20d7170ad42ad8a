"""Devices in MongoDB (or anything that speaks its wire protocol, such as FerretDB)."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import ConnectionFailure, DuplicateKeyError, InvalidURI, PyMongoError
from pymongo.uri_parser import parse_uri

from device_backend.device import Device
from workshop_service import ConfigurationError
from workshop_service.logs import log

DEFAULT_URL = "mongodb://mongo:27017/"
# Shorter than the 10 s that front waits: the reason arrives instead of a time-out.
ANSWER_MS = 3000


class DatabaseUnavailableError(Exception):
    """The database cannot be asked now; the message says which and how long we tried."""


class DeviceExistsError(Exception):
    """A device of this name is already there."""


class DeviceStore:
    """The devices of one backend.

    A device's name is the document's `_id`: the one key that MongoDB keeps unique by itself, from the first
    document on. So no index has to be made before the first write, or made again after a database is replaced.
    """

    def __init__(self, url: str, database: str, address: str) -> None:
        self._url = url
        self._database = database
        self._address = address
        self._lock = threading.Lock()
        self._client: MongoClient[dict[str, Any]] | None = None

    @classmethod
    def from_environ(cls, service: str, environ: Mapping[str, str]) -> DeviceStore:
        """Read DATABASE_URL; the database is the one it names, or else the service's name."""
        url = environ.get("DATABASE_URL", "").strip() or DEFAULT_URL
        advice = f"set DATABASE_URL={DEFAULT_URL} or leave it out."
        # The URL is never shown: it may hold a password. mongodb+srv asks DNS before it is even parsed.
        if not url.startswith("mongodb://"):
            raise ConfigurationError(f"DATABASE_URL does not begin with mongodb://: {advice}")
        try:
            parts = parse_uri(url, warn=False)
        except (InvalidURI, PyMongoError, ValueError):
            raise ConfigurationError(f"DATABASE_URL is no MongoDB address: {advice}") from None
        address = ", ".join(f"{host}:{port}" for host, port in parts["nodelist"])
        return cls(url, parts["database"] or service, address)

    def list(self, after: str, limit: int) -> list[Device]:
        """Give up to `limit` devices whose names sort after `after`."""
        with self._translated_errors():
            found = self._devices().find({"_id": {"$gt": after}}).sort("_id", 1).limit(limit)
            return [_device(document) for document in found]

    def get(self, name: str) -> Device | None:
        """Give the device of this name."""
        with self._translated_errors():
            document = self._devices().find_one({"_id": name})
            return _device(document) if document else None

    def add(self, device: Device) -> None:
        """Add a device, unless one of its name is there: the database decides, also between two at once."""
        with self._translated_errors():
            self._devices().insert_one(_document(device))

    def replace(self, device: Device) -> bool:
        """Replace the device of this name; tell whether there was one."""
        with self._translated_errors():
            return self._devices().replace_one({"_id": device.name}, _document(device)).matched_count == 1

    def remove(self, name: str) -> bool:
        """Remove the device of this name; tell whether there was one."""
        with self._translated_errors():
            return self._devices().delete_one({"_id": name}).deleted_count == 1

    def _devices(self) -> Collection[dict[str, Any]]:
        # Connected on first use: it starts without its database too.
        with self._lock:
            if self._client is None:
                self._client = MongoClient(
                    self._url,
                    # For all of an operation: finding the server, connecting, and an answer that comes in drips.
                    timeoutMS=ANSWER_MS,
                    connectTimeoutMS=ANSWER_MS,
                    # Nothing is tried twice unseen.
                    retryReads=False,
                    retryWrites=False,
                )
            return self._client[self._database]["devices"]

    def _translated_errors(self) -> _TranslatedErrors:
        return _TranslatedErrors(self._address)


class _TranslatedErrors:
    """Turn the driver's errors into those that the interface knows."""

    def __init__(self, address: str) -> None:
        self._address = address

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, DuplicateKeyError):
            raise DeviceExistsError from None
        late = isinstance(error, PyMongoError) and error.timeout
        if late or isinstance(error, ConnectionFailure):  # unknown host, refused, lost
            reason = str(error).partition(" (configured timeouts")[0][:200]
            log.error("database unavailable", extra={"fields": {"database": self._address, "reason": reason}})
            raise DatabaseUnavailableError(
                f"the database at {self._address} cannot be reached; try again in a few seconds."
            ) from None


def _document(device: Device) -> dict[str, Any]:
    fields = device.as_dict()
    return {"_id": fields.pop("name"), **fields}


def _device(document: Mapping[str, Any]) -> Device:
    return Device(
        name=document["_id"],
        uid=int(document["uid"]),
        type=document["type"],
        price=float(document["price"]),
    )
