# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The registry's storage, which its pod looks through when it starts (roles/registry/templates/deployment.yml.j2).

What is not what its digest says goes. A registry takes no second copy of a blob that it has, however broken.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.deployments import Rollouts

DEPLOYMENT, CHECK = "registry", "check"
LABELS = "app.kubernetes.io/name=registry"
RESTARTED = "kubectl.kubernetes.io/restartedAt"
TIMEOUT_SECONDS = 180.0


class Store:
    """The storage of the registry that runs in a namespace."""

    def __init__(self, api: Api, namespace: str, say: Callable[[str], None]) -> None:
        self._api = api
        self._namespace = namespace
        self._say = say

    def clear_up(self) -> None:
        """Restart the registry, so that everything broken is gone; say what that was."""
        self._say("the registry is restarted, to remove what is broken in its storage")
        annotations = {RESTARTED: datetime.now(UTC).isoformat(timespec="seconds")}
        self._api.merge(
            f"/apis/apps/v1/namespaces/{self._namespace}/deployments/{DEPLOYMENT}",
            {"spec": {"template": {"metadata": {"annotations": annotations}}}},
        )
        Rollouts(self._api, self._namespace, self._say).wait([DEPLOYMENT], TIMEOUT_SECONDS)
        pods = f"/api/v1/namespaces/{self._namespace}/pods"
        for pod in self._api.items(pods, labelSelector=LABELS):
            if "deletionTimestamp" not in pod["metadata"]:
                for line in self._api.text(f"{pods}/{pod['metadata']['name']}/log", container=CHECK).splitlines():
                    self._say(line)
