# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Deployments of a service's versions: brought to what the data says, and no further; removed.

What others own of a Deployment stays: its number of pods (unless that is 0), annotations, environment. Its image is the
one that it was left with; only a new Deployment, or one whose image somebody has changed, gets what was built.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.images.images import Images
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.deployments import Rollouts
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.manifests import keep_replicas
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import Objects, label
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import PREFIX
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.live import Version

Item = Mapping[str, Any]
IMAGE = PREFIX + "image"


class Versions:
    """The Deployments of one namespace.

    Args:
        manifests: what each version's Deployment must be, its image named by tag.
        live: the Deployments that are there.
        timeout: seconds for all that are brought together.
    """

    def __init__(
        self,
        api: Api,
        objects: Objects,
        images: Images,
        namespace: str,
        manifests: Sequence[Item],
        live: Sequence[Item],
        say: Callable[[str], None],
        *,
        timeout: float = 180,
        check_mode: bool = False,
    ) -> None:
        self._api = api
        self._objects = objects
        self._images = images
        self._namespace = namespace
        self._manifests = {str(item["metadata"]["name"]): item for item in manifests}
        self._live = {str(item["metadata"]["name"]): item for item in live}
        self._say = say
        self._timeout = timeout
        self._check_mode = check_mode
        self.changed: list[str] = []

    def differing(self) -> list[str]:
        """Name the Deployments that are there and not as they must be, by what the API server would make of them."""
        return [name for name, live in self._live.items() if name in self._manifests and self._differs(name, live)]

    def _differs(self, name: str, live: Item) -> bool:
        written = self._objects.apply(self._wanted(name), dry_run=True)
        labels = [item["metadata"].get("labels") or {} for item in (written, live)]
        return bool(written.get("spec") != live.get("spec") or labels[0] != labels[1])

    def bring(self, versions: Sequence[Version]) -> None:
        """Apply the Deployments of some versions, beside what there is of them by now."""
        self._look()
        for version in versions:
            wanted = self._wanted(version.deployment)
            self._objects.apply(wanted, dry_run=self._check_mode)
            self.changed.append(label(wanted))

    def silent(self, versions: Sequence[Version]) -> list[Version]:
        """Give those of which no pod is available now."""
        self._look()
        statuses = {name: item.get("status") or {} for name, item in self._live.items()}
        return [each for each in versions if not statuses.get(each.deployment, {}).get("availableReplicas")]

    def _look(self) -> None:
        path = f"/apis/apps/v1/namespaces/{self._namespace}/deployments"
        self._live = {str(item["metadata"]["name"]): item for item in self._api.items(path)}

    def wait(self, versions: Sequence[Version]) -> None:
        """Wait until they are rolled out."""
        names = [version.deployment for version in versions]
        Rollouts(self._api, self._namespace, self._say).wait(names, self._timeout)

    def remove(self, versions: Sequence[Version]) -> None:
        """Delete them."""
        for version in versions:
            live = self._live.get(version.deployment)
            if live:
                self._api.delete(f"/apis/apps/v1/namespaces/{self._namespace}/deployments/{version.deployment}")
                self.changed.append(f"Deployment {self._namespace}/{version.deployment}")

    def _wanted(self, name: str) -> dict[str, Any]:
        """Give the manifest to apply, with the image and the number of pods that are right beside what is there."""
        if name not in self._manifests:
            raise WorkshopError(f"There is nothing to make the Deployment {name} of: is its version in workshop_apps?")
        live = self._live.get(name)
        wanted = copy.deepcopy(dict(self._manifests[name]))
        image = self._image(str(_container(wanted)["image"]), live)
        _container(wanted)["image"] = image
        wanted["metadata"]["annotations"] = {**(wanted["metadata"].get("annotations") or {}), IMAGE: image}
        keep_replicas(wanted, live)
        return wanted

    def _image(self, wanted: str, live: Item | None) -> str:
        """Give the image with its digest: the one that it was left with, else what was built."""
        if live:
            noted = (live["metadata"].get("annotations") or {}).get(IMAGE)
            for left in (noted, None if noted else _container(live).get("image")):
                if left and str(left).split("@")[0] == wanted and "@" in str(left):
                    return str(left)
        name, _, tag = wanted.partition("/")[2].rpartition(":")
        return f"{wanted}@{self._images.digest(name, tag)}"


def _container(deployment: Item) -> dict[str, Any]:
    container: dict[str, Any] = deployment["spec"]["template"]["spec"]["containers"][0]
    return container
