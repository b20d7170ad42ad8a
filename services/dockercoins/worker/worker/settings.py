"""worker's own settings: where the others are, and how long its part of the work takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workshop_service.settings import address, number, work_seconds


@dataclass(frozen=True)
class WorkerSettings:
    """Addresses, and times in seconds."""

    rng_url: str
    hasher_url: str
    work_seconds: float
    timeout: float
    retry_seconds: float

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> WorkerSettings:
        """Read RNG_URL, HASHER_URL, WORK_SECONDS, REQUEST_TIMEOUT and RETRY_SECONDS."""
        return cls(
            rng_url=address(environ, "RNG_URL", "http://rng"),
            hasher_url=address(environ, "HASHER_URL", "http://hasher"),
            work_seconds=work_seconds(environ),
            timeout=number(environ, "REQUEST_TIMEOUT", 10, low=0.1, high=60),
            retry_seconds=number(environ, "RETRY_SECONDS", 10, low=0.1, high=60),
        )
