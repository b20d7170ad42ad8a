# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Remember what a room was given, or forget it. Documented in plugins/modules/room_record.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.typed import Typed
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import changes


class ActionModule(WorkshopAction):
    """Thin: asks `Typed`, writes or removes the file."""

    _supports_diff = True

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        typed = Typed(self._loader, self.task_vars)
        name = str(self._templar.template(self.task_vars["workshop_name"]))
        path = typed.rooms.path(name)
        before = typed.rooms.record(name)
        after = None
        if given["state"] == "present":
            sources = typed.sources if given["inventory"] or not before else None
            after = changes.updated(
                typed.record(name),
                typed.remembered[0],
                typed.defaults,
                sources,
                typed.inventory_settings(),
                begun=given["begun"] or (before is not None and before.begun),
            )
        if before != after and not self.check_mode:
            if after:
                typed.rooms.write(name, after)
            else:
                typed.rooms.forget(name)
        texts = {side: record.text if record else "" for side, record in (("before", before), ("after", after))}
        header = {"before_header": str(path), "after_header": str(path)}
        return {"changed": before != after, "path": str(path), "diff": texts | header}
