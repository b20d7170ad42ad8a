# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a bundle may come from, as a user says it. Judged before Ansible is there, too: Python's own library alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# `auto` is the first that there is: a kit that is named, the cache, packages.
SUPPLIES = ["auto", "packages", "cache", "kit"]


def contradictions(settings: Mapping[str, Any]) -> Iterator[str]:
    """Give a sentence where `workshop_supply` and `workshop_kit` say different things.

    >>> list(contradictions({"workshop_supply": "cache", "workshop_kit": "a.kit"}))[0][:58]
    "workshop_supply is 'cache', but workshop_kit names 'a.kit'"
    """
    supply, kit = settings.get("workshop_supply"), settings.get("workshop_kit")
    if supply == "kit" and not kit:
        yield (
            "workshop_supply is 'kit', but no kit is named: name its file or its place in a registry, for example "
            "-e workshop_kit=/media/stick/workshop.kit."
        )
    if supply in ("packages", "cache") and kit:
        yield (
            f"workshop_supply is {supply!r}, but workshop_kit names {str(kit)!r:.80}: leave one of them out, or type "
            "-e workshop_supply=kit."
        )
