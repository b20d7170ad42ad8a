"""A service's settings: read once from the environment, refused with one clear sentence."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from workshop_service.faults import FAULTS

ROOM_PATTERN = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
VERSION_PATTERN = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,31}")


class ConfigurationError(Exception):
    """A setting that the service cannot start with; the message says what to type instead."""


@dataclass(frozen=True)
class Settings:
    """What every service is told: who it is, which faults it carries and how it stops."""

    service: str
    title: str
    version: str
    pod: str
    faults: frozenset[str] = frozenset()
    # The room's name: it makes the cookie the room's own. Empty without a room.
    room: str = ""
    port: int = 8080
    probe_port: int = 8081
    threads: int = 128
    drain_seconds: float = 5.0
    graceful_seconds: int = 20

    @property
    def identity(self) -> dict[str, str]:
        """What names this service in answers, logs and metrics."""
        return {"service": self.service, "title": self.title, "version": self.version, "pod": self.pod}

    @classmethod
    def from_environ(cls, service: str, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings that all services have; raise ConfigurationError for a bad one."""
        env = os.environ if environ is None else environ
        return cls(
            service=service,
            title=_title(env, service),
            version=_version(env),
            pod=env.get("POD_NAME") or socket.gethostname(),
            faults=_faults(env),
            room=_room(env),
            port=int(number(env, "PORT", 8080, low=1, high=65535, integer=True)),
            probe_port=int(number(env, "PROBE_PORT", 8081, low=1, high=65535, integer=True)),
            threads=int(number(env, "THREADS", 128, low=1, high=512, integer=True)),
            drain_seconds=number(env, "DRAIN_SECONDS", 5, low=0, high=60),
            graceful_seconds=int(number(env, "GRACEFUL_SECONDS", 20, low=1, high=300, integer=True)),
        )


def number(
    env: Mapping[str, str], name: str, default: float, *, low: float, high: float, integer: bool = False
) -> float:
    """Read a number within bounds."""
    text = env.get(name, "").strip()
    if not text:
        return default
    kind = "a whole number" if integer else "a number"
    pattern = r"[0-9]{1,9}" if integer else r"[0-9]{1,9}(\.[0-9]{1,9})?"
    if re.fullmatch(pattern, text) is None or not low <= float(text) <= high:
        raise ConfigurationError(
            f"{name} is {text!r}, but must be {kind} from {low:g} to {high:g}: set {name}={default:g} or leave it out."
        )
    return float(text)


def address(env: Mapping[str, str], name: str, default: str) -> str:
    """Read the address of another service: http://HOST or http://HOST:PORT."""
    url = env.get(name, "").strip() or default
    try:
        parts = urlsplit(url)
        valid = parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or "@" in parts.netloc or parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigurationError(
            f"{name} is no plain address http://HOST or http://HOST:PORT: set {name}={default} or leave it out."
        )
    return url.rstrip("/")


def work_seconds(env: Mapping[str, str]) -> float:
    """Read WORK_SECONDS, what one unit of work takes in a service that is slow on purpose."""
    return number(env, "WORK_SECONDS", 0.1, low=0, high=10)


def _title(env: Mapping[str, str], service: str) -> str:
    title = env.get("SERVICE_TITLE", "").strip() or service.capitalize()
    if len(title) > 50 or not title.isprintable():
        raise ConfigurationError(f"SERVICE_TITLE is {title[:60]!r}, but must be at most 50 printable characters.")
    return title


def _version(env: Mapping[str, str]) -> str:
    version = env.get("VERSION", "")
    if VERSION_PATTERN.fullmatch(version) is None:
        given = f"is {version[:60]!r}" if version else "is not set"
        raise ConfigurationError(
            f"VERSION {given}, but must be 1 to 32 letters, digits, dots, hyphens or underscores: set VERSION=0.3, "
            "or build the image with --build-arg VERSION=0.3."
        )
    return version


def _room(env: Mapping[str, str]) -> str:
    room = env.get("ROOM", "").strip()
    if room and ROOM_PATTERN.fullmatch(room) is None:
        raise ConfigurationError(
            f"ROOM is {room[:60]!r}, but must be 1 to 63 lower-case letters, digits or hyphens: set the room's name, "
            "or leave it out."
        )
    return room


def _faults(env: Mapping[str, str]) -> frozenset[str]:
    text = env.get("FAULTS", "").strip()
    names = frozenset(name.strip() for name in text.split(",")) if text else frozenset()
    unknown = sorted(names - FAULTS.keys())
    if unknown:
        raise ConfigurationError(
            f"FAULTS names {', '.join(map(repr, unknown))}, but the faults are {', '.join(sorted(FAULTS))}: "
            "give a comma-separated list of these, or leave FAULTS empty for a good service."
        )
    return names
