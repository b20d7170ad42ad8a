# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Build images in the cluster, with live progress. Documented in plugins/modules/kaniko_build.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.istio_games.workshop.plugins.module_utils.registry.api import Registry, RegistryError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.kaniko.builder import Builder, BuildError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.kaniko.context import Build, ContextError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say

BUILD = {
    "image": {"type": "str", "required": True},
    "tag": {"type": "str", "required": True},
    "dockerfile": {"type": "str", "required": True},
    "paths": {"type": "list", "elements": "str", "required": True},
    "build_args": {"type": "dict", "default": {}},
}


class ActionModule(ActionBase):
    """Thin: arguments in, `Builder`, result out."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset(
        {"kubeconfig", "registry", "push_address", "namespace", "source", "builds", "job", "parallel"}
    )

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(
            {
                "kubeconfig": {"type": "path", "required": True},
                "registry": {"type": "str", "required": True},
                "push_address": {"type": "str", "required": True},
                "namespace": {"type": "str", "required": True},
                "source": {"type": "path", "required": True},
                "builds": {"type": "list", "elements": "dict", "options": BUILD, "required": True},
                "job": {"type": "dict", "required": True},
                "parallel": {"type": "int", "default": 2},
            }
        )
        builds = [Build(**{**build, "paths": tuple(build["paths"])}) for build in arguments["builds"]]
        try:
            builder = Builder(
                Api.connect(arguments["kubeconfig"]),
                Registry(arguments["registry"]),
                namespace=arguments["namespace"],
                source=Path(arguments["source"]),
                template=arguments["job"],
                push_address=arguments["push_address"],
                parallel=arguments["parallel"],
                say=say,
            )
            done = builder.ensure(builds, check_mode=self._task.check_mode)
        except (BuildError, ContextError, KubernetesError, RegistryError) as error:
            return result | {"failed": True, "msg": str(error)}
        return result | {"changed": bool(done.built), "built": done.built, "up_to_date": done.up_to_date}
