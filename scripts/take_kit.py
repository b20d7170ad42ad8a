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
from collections.abc import Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


def link_collection() -> None:
    """Make this checkout importable as the collection, as Ansible and .venv do it otherwise."""
    name = "ansible_collections.istio_games.workshop"
    for package in ("ansible_collections", "ansible_collections.istio_games", name):
        module = types.ModuleType(package)
        module.__path__ = [str(PROJECT)]
        sys.modules.setdefault(package, module)


def settings(arguments: Sequence[str]) -> dict[str, str]:
    """The `workshop_*` settings that were given with -e: NAME=VALUE, JSON, or @FILE with a setting a line."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-e", "--extra-vars", action="append", default=[])
    found: dict[str, str] = {}
    for given in parser.parse_known_args(arguments)[0].extra_vars:
        text = Path(given[1:]).expanduser().read_text() if given.startswith("@") else given
        try:
            values = json.loads(text)
        except ValueError:
            if given.startswith("@"):
                values = dict(
                    re.findall(r"""^["']?(workshop_\w+)["']?:\s*["']?(.*?)["']?\s*(?:\s#.*)?$""", text, re.MULTILINE)
                )
            else:
                values = dict(word.split("=", 1) for word in shlex.split(text) if "=" in word)
        found |= {name: str(value) for name, value in values.items() if name.startswith("workshop_")}
    return found


def say(text: str) -> None:
    """Show a line with the time of day, as the playbooks do."""
    print(f"{time.strftime('%H:%M:%S')} kit: {text}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str]) -> int:
    """Take the kit; 1 after one sentence when it cannot be used."""
    link_collection()
    from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
    from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import contract
    from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_use import Source, Use

    try:
        given = settings(arguments)
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        cache = Path(given.get("workshop_cache_dir") or caches / "istio-workshop")
        source = Source(*(given.get(f"workshop_kit{name}", "") for name in ("", "_key", "_login", "_ca")))
        if source.kit:
            taken = Use(PROJECT, cache, say, contract.verify, PROJECT / ".cache/kit").take(source)
            print(taken.extras)
    except (WorkshopError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
