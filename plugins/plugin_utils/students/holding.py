# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One at work on a place at a time: who changes it as a whole holds what a stage holds, and is refused by a stage."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.places import Place
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import register
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.queue import Say
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.lease import Holder, Lease


class Hold:
    """Holds a place until the end of a `with`; one that is not there yet, from when it is (`take`).

    Args:
        api: a connection of its own: a thread uses it.
        doing: in words, such as "reset"; the place's name follows.
    """

    def __init__(self, api: Api, place: Place, doing: str, room: str, say: Say) -> None:
        self._api, self._place, self._doing, self._room, self._say = api, place, doing, room, say
        self._stack = ExitStack()
        self._held = False

    def take(self) -> None:
        """Hold it, unless that is so already, or it is on its way out, or somebody else's: nothing is written there.

        Raises:
            LeaseError: somebody else is at work on it.
        """
        place = self._place
        if self._held:
            return
        home = self._api.find(f"/api/v1/namespaces/{place.namespace}")
        if home is None or home["metadata"].get("deletionTimestamp"):
            return
        if not place.own and register.not_its(home, place, self._room):
            return
        holder = Holder.this(f"{self._doing} of {place.name}")
        self._stack.enter_context(Lease(self._api, place.namespace, holder, self._say, self._room).held())
        self._held = True

    def __enter__(self) -> Hold:
        """Hold it, if it is there."""
        self.take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let it go."""
        self._stack.close()
