# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Build images in the cluster, with live progress. Documented in plugins/modules/kaniko_build.py."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.images.records import Records
from ansible_collections.istio_games.workshop.plugins.plugin_utils.images.store import Store
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import labelled
from ansible_collections.istio_games.workshop.plugins.plugin_utils.kaniko.builder import Builder
from ansible_collections.istio_games.workshop.plugins.plugin_utils.kaniko.context import Build
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say


class ActionModule(WorkshopAction):
    """Thin: arguments in, `Builder`, result out."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        builder = Builder(
            self.api,
            self.registry,
            namespace=given["namespace"],
            source=Path(given["source"]),
            template=labelled(given["job"], self.room),
            push_address=given["push_address"],
            parallel=given["parallel"],
            records=Records(self.api, given["namespace"], self.room),
            store=Store(self.api, given["registry_namespace"], say),
            say=say,
        )
        builds = [Build(**{**build, "paths": tuple(build["paths"])}) for build in given["builds"]]
        done = builder.ensure(builds, check_mode=self.check_mode)
        return {"changed": bool(done.built), "built": done.built, "up_to_date": done.up_to_date}
