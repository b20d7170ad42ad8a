# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lead an application to a stage. Documented in plugins/modules/traffic_stage.py."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.registry.api import RESTART_SECONDS, Registry
from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.images.images import Images
from ansible_collections.istio_games.workshop.plugins.plugin_utils.images.records import Records
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say, show
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.command import (
    Asked,
    Command,
    Surroundings,
    shown,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.verdict import PROVEN


class ActionModule(WorkshopAction):
    """Thin: arguments in, `Command`, verdict out."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        asked = Asked(*(given[name] for name in ("stage", "service", "weight", "version", "takeover")))
        where = Surroundings(
            self.api,
            Api.connect(given["kubeconfig"], say=lambda _: None),  # the other connection says what is waited for
            given["namespace"],
            given["services"],
            given["deployments"],
            Images(
                Records(self.api, given["build_namespace"]),
                Registry(given["registry"], 0 if self.check_mode else RESTART_SECONDS),
            ),
            Path(given["copies"]),
            given["timeout"],
            self.room,
            self.check_mode,
            say,
        )
        command = Command(asked, where)
        verdict = command.run()
        show(shown(verdict))
        result = {"changed": bool(verdict["objects"]), "verdict": verdict, "diff": command.diff}
        if verdict["verdict"] != PROVEN:
            result |= {"failed": True, "msg": "\n".join(verdict["reasons"])}
        return result
