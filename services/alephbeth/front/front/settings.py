"""front's own settings: where the backends are, and how long to wait for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workshop_service.settings import address, number

BACKENDS = ("aleph", "beth")


@dataclass(frozen=True)
class BackendSettings:
    """Addresses by backend, and the seconds that each may take."""

    urls: dict[str, str]
    timeout: float

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> BackendSettings:
        """Read ALEPH_URL, BETH_URL and BACKEND_TIMEOUT."""
        return cls(
            urls={name: address(environ, f"{name.upper()}_URL", f"http://{name}") for name in BACKENDS},
            timeout=number(environ, "BACKEND_TIMEOUT", 10, low=0.1, high=60),
        )
