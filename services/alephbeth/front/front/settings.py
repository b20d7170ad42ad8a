"""front's own settings: where the backends are, and how long to wait for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from workshop_service import ConfigurationError
from workshop_service.settings import number

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
            urls={name: _url(environ, name) for name in BACKENDS},
            timeout=number(environ, "BACKEND_TIMEOUT", 10, low=0.1, high=60),
        )


def _url(environ: Mapping[str, str], name: str) -> str:
    variable, default = f"{name.upper()}_URL", f"http://{name}"
    url = environ.get(variable, "").strip() or default
    try:
        parts = urlsplit(url)
        valid = parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or "@" in parts.netloc or parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigurationError(
            f"{variable} is no plain address http://HOST or http://HOST:PORT: set {variable}={default} or leave it out."
        )
    return url.rstrip("/")
