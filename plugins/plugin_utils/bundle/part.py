# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What all parts of a bundle have in common: a key that says what decides their content, and a bench to be built on."""

from __future__ import annotations

import abc
import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.process import run
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.recipes import Recipes

# Raised when the way that a kind of part is built changes, so that it is built again.
_REVISION = {"toolchain": 1, "go": 2, "pypi": 1, "wheels": 1, "debian": 3, "image": 3, "sbom": 1}

# What a build may see of the environment: the way to the package registries. Not the language: messages are read.
_ENVIRONMENT = re.compile(
    r"HOME|PATH|TMPDIR|XDG_CONFIG_HOME|NETRC|(https?|all|no)_proxy|SSL_CERT_.*"
    r"|GO(PROXY|SUMDB|PRIVATE|NOPROXY|NOSUMDB|INSECURE|AUTH)",
    re.I,
)


class Workbench:
    """What a part needs for being built.

    Attributes:
        directory: an empty directory that becomes the part.
        log: the file that tools write to.
        cache: the cache's root (for Go's own caches).
        parts: directories of the parts that are built already, by name.
        say: tells people about the progress.
    """

    def __init__(
        self, directory: Path, log: Path, cache: Path, parts: dict[str, Path], say: Callable[[str], None]
    ) -> None:
        self.directory, self.log, self.cache, self.parts, self.say = directory, log, cache, parts, say

    def run(self, what: str, source: str, command: list[str | Path], **options: Any) -> None:
        """Run a tool, see `process.run`."""
        run(command, what=what, source=source, log=self.log, say=self.say, **options)


class Part(abc.ABC):
    """One part of the bundle: built into an empty directory of its own, from its inputs alone."""

    kind: str
    version: str

    def __init__(self, name: str, recipes: Recipes) -> None:
        self.short_name, self.recipes = name, recipes

    @property
    def name(self) -> str:
        """Kind and name: "go kubernetes"."""
        return f"{self.kind} {self.short_name}"

    @property
    def needs(self) -> list[str]:
        """Names of the parts that this one is made from."""
        return []

    @abc.abstractmethod
    def inputs(self) -> Any:
        """Everything else that decides the content, as JSON-able data."""

    def check(self) -> None:  # noqa: B027 - most parts can be built anywhere
        """Raise BundleError when this machine lacks what building takes; asked before anything is built."""

    @abc.abstractmethod
    def build(self, bench: Workbench) -> None:
        """Build into `bench.directory`. Raises BundleError."""

    def key(self, keys: dict[str, str]) -> str:
        """The content address: sha256 over the inputs and the keys of what it needs (hexadecimal)."""
        data = [_REVISION[self.kind], self.name, self.inputs(), [keys[need] for need in self.needs]]
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def environment(*further: re.Pattern[str]) -> dict[str, str]:
    """This process's environment without what could change a build; `further`: names that pass too."""
    patterns = (_ENVIRONMENT, *further)
    kept = {key: value for key, value in os.environ.items() if any(pattern.fullmatch(key) for pattern in patterns)}
    return {**kept, "LC_ALL": "C.UTF-8"}


def go_settings() -> dict[str, str]:
    """What this user has told Go with `go env -w` of the way to modules; the rest of it could change a build."""
    named = os.environ.get("GOENV", "")
    config = os.environ.get("XDG_CONFIG_HOME") or f"{os.environ.get('HOME', '')}/.config"
    try:
        text = "" if named == "off" else Path(named or f"{config}/go/env").read_text()
    except (OSError, ValueError):
        return {}
    settings = dict(line.strip().split("=", 1) for line in text.splitlines() if re.match(r"\s*GO\w+=", line))
    return {key: value for key, value in settings.items() if _ENVIRONMENT.fullmatch(key)}
