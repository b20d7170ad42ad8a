# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A class as people see it: a line for each student."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.istio_games.workshop.plugins.plugin_utils.columns import aligned
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.places import Place
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import stages
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.queue import Outcome

HEADINGS = ("student", "place", "took", "page", "kubeconfig until")


def table(students: Sequence[Place], outcomes: Sequence[Outcome], door: str) -> list[str]:
    """Draw a class; under it, why each student without a place has none, and whose pods are slow.

    Args:
        outcomes: what this run did; its seconds and causes count.
        door: the URL of the door; empty where there is none.
    """
    done = {outcome.place.name: outcome for outcome in outcomes}
    rows = [HEADINGS]
    for place in students:
        outcome = done.get(place.name)
        took = f"{outcome.seconds:.0f} s" if outcome else ""
        page = f"{door.rstrip('/')}{place.path}front/" if door else f"namespace {place.namespace}"
        page = "-" if place.taken else page
        rows.append((place.name, place.state, took, page, place.expires))
    causes = [f"{place.name}: {place.cause}" for place in students if place.state == "failed" and place.cause]
    causes += stages.slow(students)
    return ["", *aligned(rows), *([""] if causes else []), *causes, ""]


def rehearsed(work: str, todo: Sequence[Place]) -> str:
    """Say in check mode with which places something would be done.

    >>> rehearsed("suspend", [])
    'Nothing is done in check mode; suspend would be for nobody: all are so already.'
    """
    names = ", ".join(place.name for place in todo)
    return f"Nothing is done in check mode; {work} would be for {names or 'nobody: all are so already'}."
