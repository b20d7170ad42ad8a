# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Work on the places of students. Documented in plugins/modules/students.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say, show
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.command import Asked, Command
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.report import rehearsed, table


class ActionModule(WorkshopAction):
    """Thin: arguments in, `Command`, table and result out."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        names = ("work", "names", "namespace", "state_dir", "at_once", "probe_image", "probe_namespace")
        asked = Asked(room=self.room, **{name: given[name] for name in names})
        command = Command(
            asked,
            Command.course(given, self.room),
            # Of thirty connections, one says that the API server is silent.
            [self.api, *(self.another_api() for _ in range(max(1, given["at_once"])))],
            self.another_api,
            say,
        )
        if self.check_mode:
            show([rehearsed(given["work"], command.todo)])
            return {"changed": bool(command.todo), "outcomes": [], "students": []}
        command.run()
        show(table(command.students, command.outcomes, given["door"]))
        failed = [outcome for outcome in command.outcomes if outcome.cause]
        changed = bool(command.outcomes)
        if failed:
            # Ansible shows all of a result that failed: of thirty places, nobody would find the sentence.
            said = "\n".join(f"{outcome.place.name}: {outcome.cause}" for outcome in failed)
            message = f"{len(failed)} of {len(command.outcomes)} places failed.\n{said}"
            return {"changed": changed, "failed": True, "msg": message}
        return {
            "changed": changed,
            "students": [place.as_data() for place in command.students],
            "outcomes": [outcome.as_data() for outcome in command.outcomes],
        }
