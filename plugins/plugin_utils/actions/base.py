# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The base of our action plugins.

A new one is three files, none of which says anything twice. plugins/modules/NAME.py documents it: its options, with
their types, choices and defaults, are read from there. plugins/action/NAME.py acts::

    class ActionModule(WorkshopAction):
        skipped_in_check_mode = "Nothing is rolled out in check mode."   # only where it cannot do better

        def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
            rollouts = Rollouts(self.api, given["namespace"], say=say)
            rollouts.wait(given["names"], given["timeout"])
            return {"seconds": rollouts.seconds}

meta/runtime.yml lists it in the action group `cluster`, if it takes a kubeconfig.

`act` returns what it found, and raises a WorkshopError for what a user can mend: the task fails with its sentence. What
was done before a failure stays in the result: say so as soon as it is true with `self.result["changed"] = True`, or
raise the error with it, `ProxyError("...", changed=True, objects=[...])`.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, ClassVar

from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError
from ansible.plugins.action import ActionBase

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError, unexpected
from ansible_collections.istio_games.workshop.plugins.module_utils.registry.api import RESTART_SECONDS, Registry
from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.arguments import documented_spec, plain
from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.typed import to_be_named
from ansible_collections.istio_games.workshop.plugins.plugin_utils.commands import about, with_room
from ansible_collections.istio_games.workshop.plugins.plugin_utils.images.images import Images
from ansible_collections.istio_games.workshop.plugins.plugin_utils.images.records import Records
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.transport import PATIENCE_SECONDS
from ansible_collections.istio_games.workshop.plugins.plugin_utils.processes import end_with_parent
from ansible_collections.istio_games.workshop.plugins.plugin_utils.terminal import printable


class WorkshopAction(ActionBase):
    """An action plugin that runs on the controller: checked options in, `act`, a result or one sentence out."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    # Why nothing is done in check mode; empty where `act` knows it (`self.check_mode`).
    skipped_in_check_mode: ClassVar[str] = ""
    # Seconds for which a request is tried while the API server is silent, refuses connections or is overloaded.
    patience: ClassVar[float] = PATIENCE_SECONDS

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Do the plugin's work.

        Args:
            given: the options as documented, with their defaults, as plain Python values.

        Returns:
            What the task's result has besides `changed`, which is False unless it is named.
        """
        raise NotImplementedError

    @property
    def plugin(self) -> str:
        """The plugin's name, as its file has it."""
        return str(type(self).__module__).rpartition(".")[2]

    @property
    def check_mode(self) -> bool:
        """Whether nothing may be changed."""
        return bool(self._task.check_mode)

    @cached_property
    def api(self) -> Api:
        """The cluster that the option `kubeconfig` names."""
        return Api.connect(self._given["kubeconfig"], self.patience)

    def another_api(self) -> Api:
        """A further connection to it: for a thread, or to be silent while another one says what is waited for."""
        return Api.connect(self._given["kubeconfig"], self.patience, lambda _: None)

    @property
    def registry(self) -> Registry:
        """The registry of the option `registry`; in check mode, where it may not be there yet, not waited for."""
        return Registry(self._given["registry"], 0 if self.check_mode else RESTART_SECONDS)

    def images(self, api: Api) -> Images:
        """What was built, by the records in the option `build_namespace`, and what the registry has."""
        return Images(Records(api, self._given["build_namespace"]), self.registry)

    @cached_property
    def room(self) -> str:
        """The name of the room that every object of ours bears: the option `room`, or else `workshop_name`."""
        named = self._given.get("room")
        return str(named or self._templar.template(self.task_vars.get("workshop_name", "")))

    def _told_room(self) -> str:
        """The room's name where a command has to have it, or another room would be meant."""
        return to_be_named(self.room)

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Check the options, act, and turn every end into a result."""
        end_with_parent()
        self.task_vars = task_vars or {}
        self.result: dict[str, Any] = {**super().run(tmp, task_vars), "changed": False}
        checked = ArgumentSpecValidator(documented_spec(self.plugin)).validate(self._task.args)
        if checked.error_messages:
            return self.result | {"failed": True, "msg": f"{self.plugin}: {_explained(checked.errors.errors)}"}
        self._given: dict[str, Any] = plain(checked.validated_parameters)
        if self.check_mode and self.skipped_in_check_mode:
            return self.result | {"skipped": True, "msg": self.skipped_in_check_mode}
        about(self._told_room)
        try:
            self.result |= self.act(self._given)
        except WorkshopError as error:
            self.result |= {**error.result, "failed": True, "msg": str(error)}
        except AnsibleError:
            about()
            raise  # Ansible says it in its own way
        except Exception as error:
            self._display.vvv(traceback.format_exc())
            self.result |= {"failed": True, "msg": unexpected(self.plugin, error)}
        if isinstance(self.result.get("msg"), str):
            self.result["msg"] = printable(with_room(self.result["msg"]))
        about()
        return self.result


def _explained(errors: Iterable[Exception]) -> str:
    """Say what is wrong with the options."""
    # Of these, Ansible's own message has the names alone.
    unknown = "unknown options: "
    return " ".join(f"{unknown if isinstance(error, UnsupportedError) else ''}{error}" for error in errors)
