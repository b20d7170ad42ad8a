"""Takes the kit that ansible-playbook's arguments name into the cache, and prints where its packages are.

Runs before anything is installed: it imports Python's own library, and what of the collection does the same.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import sys
import time
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

# What of the settings is needed here.
NEEDED = (
    "workshop_kit",
    "workshop_kit_key",
    "workshop_kit_login",
    "workshop_kit_ca",
    "workshop_cache_dir",
    "workshop_supply",
)
# As roles/room judges it later; what is not so must not be made before.
DIRECTORY = re.compile(r"/[\w.+-]+(/[\w.+-]+)+/?", re.ASCII)
PROJECT = Path(__file__).resolve().parents[1]


def link_collection() -> None:
    """Make this checkout importable as the collection, as Ansible and .venv do it otherwise."""
    name = "ansible_collections.istio_games.workshop"
    for package in ("ansible_collections", "ansible_collections.istio_games", name):
        module = types.ModuleType(package)
        module.__path__ = [str(PROJECT)]
        sys.modules.setdefault(package, module)


def settings(arguments: Sequence[str]) -> dict[str, str]:
    """What of NEEDED was given with -e: NAME=VALUE, JSON, or @FILE with a setting a line.

    Raises ValueError for what cannot be read here.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-e", "--extra-vars", action="append", default=[])
    found: dict[str, str] = {}
    for given in parser.parse_known_args(arguments)[0].extra_vars:
        text = Path(given[1:]).expanduser().read_text() if given.startswith("@") else given
        try:
            values = json.loads(text)
            if not isinstance(values, dict):
                raise TypeError
        except (ValueError, TypeError, RecursionError):
            if text.lstrip().startswith("{") and "workshop_kit" in text:
                raise ValueError(
                    f"{given!r:.80} is no JSON: write NAME=VALUE, or in a file NAME: VALUE, a line each"
                ) from None
            if given.startswith("@"):
                values = dict(in_lines(text))
            else:
                values = dict(word.split("=", 1) for word in shlex.split(text) if "=" in word)
        found |= {name: "" if value is None else str(value) for name, value in values.items() if name in NEEDED}
    return found


def in_lines(text: str) -> Iterator[tuple[str, str]]:
    """The settings of a YAML file that stand in one line each; raise ValueError for one in another form."""
    for line in text.splitlines():
        found = re.fullmatch(r"""(["']?)(workshop_\w+)\1\s*:(?:\s+(.*))?""", line)
        if not found or found[2] not in NEEDED:
            continue
        value = re.sub(r"(^|\s)#.*", "", found[3] or "").strip()
        if quoted := re.fullmatch(r"""("[^"\\]*"|'(?:[^']|'')*')\s*(?:\s#.*)?""", (found[3] or "").strip()):
            value = quoted[1][1:-1].replace("''", "'") if quoted[1][0] == "'" else quoted[1][1:-1]
        elif value[:1] and value[0] in "\"'>|&*!{[%@`":
            raise ValueError(f"{line!r:.80} must be NAME: VALUE, in one line and without escapes")
        yield found[2], "" if value in {"~", "null", "Null", "NULL"} and not quoted else value


def cache_of(given: Mapping[str, str]) -> Path:
    """The bundle's cache, as the settings name it; raises ValueError unless they name a directory as they must."""
    from ansible_collections.istio_games.workshop.plugins.plugin_utils.paths import expanded

    # As roles/room has it.
    caches = os.environ.get("XDG_CACHE_HOME") or expanded("~/.cache")
    named = given.get("workshop_cache_dir") or f"{caches}/istio-workshop"
    if not DIRECTORY.fullmatch(named) or ".." in named:
        raise ValueError(
            f"workshop_cache_dir is {named!r:.80}, but must be the absolute path of a directory, two or more levels "
            "deep, of letters, digits and . _ + - alone: for example -e workshop_cache_dir=/var/tmp/workshop-cache"
        )
    return Path(named)


def say(text: str) -> None:
    """Show a line with the time of day, as the playbooks do; what a registry sends tells a terminal nothing."""
    from ansible_collections.istio_games.workshop.plugins.plugin_utils.terminal import printable

    print(f"{time.strftime('%H:%M:%S')} kit: {printable(text, kept='')}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str]) -> int:
    """Take the kit; 1 after one sentence when it cannot be used."""
    link_collection()
    from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
    from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import contract
    from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_use import Source, Use
    from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import invocation, origins

    try:
        given = settings(arguments)
        for refused in (*invocation.homeless(os.environ), *origins.contradictions(given)):
            raise WorkshopError(f"{refused.removesuffix('.')}; nothing was changed.")
        source = Source(*(given.get(f"workshop_kit{name}", "") for name in ("", "_key", "_login", "_ca")))
        if source.kit:
            taken = Use(PROJECT, cache_of(given), say, contract.verify, PROJECT / ".cache/kit").take(source)
            print(taken.extras)
    except WorkshopError as error:
        print(error, file=sys.stderr)
        return 1
    except (OSError, ValueError, RuntimeError) as error:
        print(f"What was given with -e cannot be used: {error}; nothing was changed.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
