# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make sure of the door's certificate. Documented in plugins/modules/door_certificate.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.paths import expanded
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import certificates


class ActionModule(WorkshopAction):
    """Thin: arguments in, `OwnCertificates` or the user's own judged, result out."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        if sentence := certificates.fault(given["certificate"], given["key"], given["host"]):
            raise certificates.CertificateError(sentence)
        if given["certificate"]:
            files = {name: str(expanded(given[name])) for name in ("certificate", "key")}
            return {"made": [], "certificate_file": files["certificate"], "key_file": files["key"], "ca_file": ""}
        own = certificates.OwnCertificates(expanded(given["directory"]), self.room)
        made = own.ensure([given["host"], *given["further_hosts"]], dry_run=self.check_mode)
        certificate, key = own.door
        return {
            "changed": bool(made),
            "made": made,
            "certificate_file": str(certificate),
            "key_file": str(key),
            "ca_file": str(own.ca[0]),
        }
