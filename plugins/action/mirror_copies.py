# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Count the copies that mirrored versions get. Documented in plugins/modules/mirror_copies.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.mirror import Mirrors, Received


class ActionModule(WorkshopAction):
    """Thin: arguments in, `Mirrors`, result out."""

    skipped_in_check_mode = "Nothing is mirrored in check mode."

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        subsets, sent = given["subsets"], {name: int(count) for name, count in given["sent"].items()}
        mirrors = Mirrors(self.api, given["namespace"])
        if given["before"] is None:
            counts = mirrors.received(subsets)
        else:
            before = {name: Received(**count) for name, count in given["before"].items()}
            counts = mirrors.arrived(subsets, before, sent)
        lost = [
            f"{name} {subsets[name]} received {counts[name].requests} copies of {number} requests: is the mirror in "
            "the callers' route, and is the version's pod ready?"
            for name, number in sent.items()
            if name in counts and counts[name].requests < number
        ]
        failure = {"failed": True, "msg": " ".join(lost)} if lost else {}
        return {"copies": {name: asdict(count) for name, count in counts.items()}, **failure}
