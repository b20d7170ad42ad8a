# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One at work on a place at a time: who changes it as a whole holds what a stage holds, and is refused by a stage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.queue import Say
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.lease import Holder, Lease


@contextmanager
def held(api: Api, namespace: str, doing: str, room: str, say: Say) -> Iterator[None]:
    """Hold a place. One that is not there, or is on its way out, no stage is at work on.

    Args:
        api: a connection of its own: a thread uses it.
        doing: in words, such as "reset of anna".

    Raises:
        LeaseError: somebody else is at work on it.
    """
    home = api.find(f"/api/v1/namespaces/{namespace}")
    if home is None or home["metadata"].get("deletionTimestamp"):
        yield
        return
    with Lease(api, namespace, Holder.this(doing), say, room).held():
        yield
