"""Prints pip's settings of the way to packages as pip's and uv's variables, NAME=VALUE with a NUL behind each.

Runs with a virtual environment's Python, whose pip is asked: pip.conf in all of its places, and PIP_... What uv has
been told itself (UV_..., SSL_CERT_FILE) stays as it is. What is to be installed, and where, is not the user's to say.
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


def way_of_pip(pip: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Variables for pip, instead of all that it was told.

    >>> list(way_of_pip({"index-url": "https://mirror.example/simple", "user": "true"}))
    [('PIP_INDEX_URL', 'https://mirror.example/simple')]
    """
    for name, value in pip.items():
        if name in (*_NAMES, "cache-dir", "no-cache-dir"):
            yield f"PIP_{name.upper().replace('-', '_')}", " ".join(value.split())


def _is_there(place: str) -> bool:
    """Whether packages can be looked for there: pip passes over a directory that is not there, uv fails."""
    return "://" in place or Path(place).is_dir()


def main() -> None:
    """Print them."""
    # Meant for `pip install`, these would leave files out of the list.
    hiding = ("PIP_USER", "PIP_GLOBAL", "PIP_SITE")
    environment = {name: value for name, value in os.environ.items() if name not in hiding}
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"],
        env=environment, check=True, stdout=subprocess.PIPE, text=True,
    ).stdout  # fmt: skip
    pip = pip_settings(listing)
    for name, value in (*way_of_pip(pip), *uv_settings(pip, os.environ)):
        sys.stdout.write(f"{name}={value}\0")


if __name__ == "__main__":
    main()
