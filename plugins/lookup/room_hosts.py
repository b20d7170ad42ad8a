# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The hosts of a room, for the first play of a playbook."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible import constants, context
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.podman_room import ROOM_NAME
from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.typed import COLLECTION, Typed
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import invocation, lock
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.rooms import RoomError

DOCUMENTATION = r"""
name: room_hosts
short_description: The hosts of a room, for a play's C(hosts)
description:
  - Gives the controller and the nodes, or C(localhost) where the inventory has neither.
  - Refuses a run of which Ansible would leave a part out and still end with exit code 0 (C(--limit), C(--tags),
    C(--start-at-task), C(--step)), and settings of Ansible's own that give the playbooks another meaning.
  - A run that makes, changes or removes a room holds it until it ends. Another one waits up to a minute, and is refused
    then.
  - C(hosts) is read by Ansible's own process, before any task and whatever tags and limits leave out. That is why this
    is a lookup; tasks run in processes of their own, which could hold nothing.
options:
  purpose:
    description: What the playbook does with its room, as in M(istio_games.workshop.room_check).
    type: str
    choices: [make, change, use, remove]
    default: use
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Find the room
  hosts: "{{ query('istio_games.workshop.room_hosts', purpose='make') }}"
"""

RETURN = r"""
_raw:
  description: Names of hosts.
  type: list
  elements: str
"""


class LookupModule(LookupBase):
    """Thin: asks `invocation`, takes the lock."""

    def run(self, terms: Sequence[str], variables: Mapping[str, Any] | None = None, **options: Any) -> list[str]:
        """Give the hosts."""
        self.set_options(var_options=variables, direct=options)
        known = variables or {}
        settings = {
            name: invocation.Setting(*constants.config.get_config_value_and_origin(name))
            for name in invocation.RELIED_ON
        }
        found = invocation.two_copies(Path(known["playbook_dir"]), COLLECTION)
        found = found or invocation.homeless(os.environ)
        if found := found or invocation.problems(context.CLIARGS, settings):
            raise AnsibleLookupError("\n".join(found))
        groups = known["groups"]
        plays = self.get_option("purpose") != "use" and not invocation.only_shows(context.CLIARGS)
        if plays and groups.get("controller") and not known["ansible_check_mode"]:
            self._hold(Typed(self._loader, known))
        return [*groups.get("controller", []), *groups.get("nodes", [])] or ["localhost"]

    def _hold(self, typed: Typed) -> None:
        """Hold the room that is meant. What is wrong with its name, room_check says."""
        with contextlib.suppress(RoomError):
            name = typed.room_name()
            if ROOM_NAME.fullmatch(name):
                try:
                    lock.hold(name, say)
                except lock.LockError as error:
                    raise AnsibleLookupError(str(error)) from error
