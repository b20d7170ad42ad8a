# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make sure of the login that a push takes. Documented in plugins/modules/registry_login.py."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.images.login import Login, Logins


class ActionModule(WorkshopAction):
    """Thin: arguments in, `Logins`, result out."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        logins = Logins(self.api, given["namespace"], self.room)
        login = logins.find()
        if login is None:
            login = Login.made()
            self.result["changed"] = True
            if not self.check_mode:
                logins.write(login)
        config = login.docker_config(given["addresses"])
        if given["file"] and login.write(Path(given["file"]), config, dry_run=self.check_mode):
            self.result["changed"] = True
        return {
            "changed": self.result["changed"],
            "login": {"user": login.user, "password": login.password},
            "docker_config": config,
        }
