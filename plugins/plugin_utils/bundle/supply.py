# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a bundle may come from: a kit that is named, else the cache, else packages."""

from __future__ import annotations


def found(kit: str) -> str:
    """Say where a bundle that needs no building is taken from, and why."""
    if kit:
        return f"it is from the kit {kit}, which workshop_kit names; nothing is built or downloaded"
    return "it is in the cache, and is what its lock says; nothing is built or downloaded"


def otherwise(supply: str, kit: str) -> str:
    """Say why nothing is built when the cache does not have the bundle, and what to do; empty: it is built.

    Args:
        supply: what workshop_supply is.
        kit: the kit that was named, which is in the cache by now; empty: none.
    """
    if kit:
        return (
            f"The kit {kit} was to bring it, so nothing is built: run the same command again, and if it stays so, make "
            "the kit anew with playbooks/export_kit.yml of this very project."
        )
    if supply == "cache":
        return (
            "workshop_supply is cache, so nothing is built: type -e workshop_supply=auto, or name the cache that has "
            "it with -e workshop_cache_dir=/another/directory."
        )
    return ""
