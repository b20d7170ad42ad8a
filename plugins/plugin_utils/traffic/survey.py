# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where an application's services stand, looked at and, if asked, measured; what `status.yml` shows and writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import Objects
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import status
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.load_client import Check, LoadClient
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.look import look
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.proxies import Proxies
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.writer import Callee


def survey(
    api: Api,
    namespace: str,
    callees: Sequence[Callee],
    say: Callable[[str], None],
    *,
    measure: bool,
    options: str = "",
) -> dict[str, Any]:
    """Give the status of an application (docs/status.md).

    Args:
        measure: whether to send requests, where a service has a stage.
        options: what the next command keeps of this one (`status.options`).

    Raises:
        WorkshopError: the API server, or the load client that is to measure, does not answer.
    """
    objects, proxies = Objects(api, say), Proxies(api, namespace, say)
    services, live = look(api, objects, proxies, namespace, callees)
    if measure and (checks := status.checks(services, live)):
        measured = LoadClient(api, namespace, say).measure([Check(**check) for check in checks])
        services, _ = look(api, objects, proxies, namespace, callees, measured)
    following = status.next_command(services, options, {})
    return {"schema": status.SCHEMA, "namespace": namespace, "services": services, "next": following}


def shown(told: dict[str, Any]) -> list[str]:
    """Draw it for people."""
    services = told["services"]
    measured = [check["sentence"] for each in services for check in each["checks"]]
    return ["", *status.table(services), "", *status.rules(services), *measured, f"Next: {told['next']}", ""]
