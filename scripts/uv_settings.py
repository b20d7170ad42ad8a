"""Prints pip's settings as uv's variables, NAME=VALUE with a NUL behind each, for `env`.

Runs with a virtual environment's Python, whose pip is asked: pip.conf in all of its places, and PIP_... What uv has
been told itself (UV_..., SSL_CERT_FILE) stays as it is.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

# What pip calls a setting, what uv does, and what stands between several values.
_NAMES = {
    "index-url": ("UV_DEFAULT_INDEX", ""),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "no-index": ("UV_OFFLINE", ""),  # the nearest that uv has: directories alone are looked at
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "keyring-provider": ("UV_KEYRING_PROVIDER", ""),
    "timeout": ("UV_HTTP_TIMEOUT", ""),
    "default-timeout": ("UV_HTTP_TIMEOUT", ""),
    "retries": ("UV_HTTP_RETRIES", ""),
    "cert": ("SSL_CERT_FILE", ""),
    "client-cert": ("SSL_CLIENT_CERT", ""),
    "proxy": ("ALL_PROXY", ""),
}
# pip's order: what is nearer to the command wins.
_SECTIONS = ("global", "install", ":env:")


def pip_settings(listing: str) -> dict[str, str]:
    """Settings by name, from what `pip config list` prints.

    >>> pip_settings("global.timeout='60'\\ninstall.timeout='5'\\n")
    {'timeout': '5'}
    """
    found: dict[str, dict[str, str]] = {section: {} for section in _SECTIONS}
    for section, name, value in re.findall(r"^(:env:|\w+)\.([\w-]+)=(.*)$", listing, re.MULTILINE):
        if section in found:
            found[section][name] = str(ast.literal_eval(value))
    return {name: value for section in _SECTIONS for name, value in found[section].items()}


def uv_settings(pip: Mapping[str, str], environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Variables for uv.

    >>> dict(uv_settings({"index-url": "https://mirror.example/simple"}, {}))["UV_DEFAULT_INDEX"]
    'https://mirror.example/simple'
    """
    # As pip: certificates that this machine trusts, and the best of all indexes' versions (which hashes pin anyway).
    given = {"UV_SYSTEM_CERTS": "true", "UV_INDEX_STRATEGY": "unsafe-best-match"}
    for name, value in pip.items():
        variable, between = _NAMES.get(name, ("", ""))
        values = [word for word in value.split() if name != "find-links" or _is_there(word)]
        if variable and values:
            given[variable] = between.join(values) if between else value
    if bundle := environment.get("REQUESTS_CA_BUNDLE") or environment.get("CURL_CA_BUNDLE"):
        given.setdefault("SSL_CERT_FILE", bundle)
    yield from ((name, value) for name, value in given.items() if name not in environment)


def _is_there(place: str) -> bool:
    """Whether packages can be looked for there: pip passes over a directory that is not there, uv fails."""
    return "://" in place or Path(place).is_dir()


def main() -> None:
    """Print them."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"],
        check=True, stdout=subprocess.PIPE, text=True,
    ).stdout  # fmt: skip
    sys.stdout.write("".join(f"{name}={value}\0" for name, value in uv_settings(pip_settings(listing), os.environ)))


if __name__ == "__main__":
    main()
