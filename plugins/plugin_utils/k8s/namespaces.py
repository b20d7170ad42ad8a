# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Namespaces that are on their way out: nothing can be made in one, and nothing that is read of it stays."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.waiting import Look, WaitError, Waiting

# A pod in it may take its grace period of 30 s, and more on a node that is busy.
GONE_SECONDS = 300.0


def leaving(api: Api, names: Iterable[str]) -> list[str]:
    """Name those of some namespaces that are being deleted."""
    found = {name: api.find(f"/api/v1/namespaces/{name}") for name in dict.fromkeys(names)}
    return [name for name, item in found.items() if item and item["metadata"].get("deletionTimestamp")]


def gone(api: Api, name: str) -> Look:
    """See how far the removal of a namespace is."""
    namespace = api.find(f"/api/v1/namespaces/{name}")
    conditions = ((namespace or {}).get("status") or {}).get("conditions") or []
    why = [
        condition["message"] for condition in conditions if condition.get("status") == "True" and "message" in condition
    ]
    return Look(namespace is None, "gone" if namespace is None else "; ".join(["being deleted", *why]))


def wait_for_leaving(api: Api, waiting: Waiting, names: Iterable[str], timeout: float = GONE_SECONDS) -> None:
    """Wait until those of some namespaces that are being deleted are gone, so that they can be made again.

    Raises:
        WorkshopError: one of them was still there after `timeout` seconds.
    """
    going = leaving(api, names)
    try:
        waiting.until(lambda: {f"Namespace {name}": gone(api, name) for name in going}, timeout)
    except WaitError as error:
        state = error.look.state if error.look else "being deleted"
        raise WorkshopError(
            f"{error.name} is not gone after {timeout:g} s ({state}), and cannot be made again before: see what it "
            "holds, and run the same command again."
        ) from error
