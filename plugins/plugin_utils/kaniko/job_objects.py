# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The builds' objects in the cluster, each a Job with its pod and its context: made, found and removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.waiting import Look, WaitError, Waiting
from ansible_collections.istio_games.workshop.plugins.plugin_utils.kaniko import job as jobs
from ansible_collections.istio_games.workshop.plugins.plugin_utils.kaniko.context import Build, Context

# For something that was deleted to be gone.
GONE_SECONDS = 30.0


class BuildError(WorkshopError):
    """A build failed; the message names the image, the reason and the end of kaniko's log."""


@dataclass
class Planned:
    """A build that is to be done."""

    build: Build
    context: Context
    digest: str

    @property
    def name(self) -> str:
        """The Job's name."""
        return jobs.job_name(self.build, self.digest)


class Jobs:
    """The Jobs of one namespace.

    Args:
        template: of a Job.
        push_address: the registry's HOST:PORT, as pods reach it.
    """

    def __init__(
        self, api: Api, namespace: str, template: Mapping[str, Any], push_address: str, waiting: Waiting
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._template = template
        self._push_address = push_address
        self._waiting = waiting

    def find(self, name: str) -> dict[str, Any] | None:
        """Give a Job; None when there is none."""
        return self._api.find(self._path("apis/batch/v1", "jobs", name))

    def finish(self, name: str) -> None:
        """Delete a Job that has ended; its context goes with it."""
        self._api.delete(self._path("apis/batch/v1", "jobs", name))

    def log(self, pod: Mapping[str, Any]) -> str | None:
        """Give what a build's pod has logged; None while its container has not started."""
        try:
            return self._api.text(self._path("api/v1", "pods", pod["metadata"]["name"]) + "/log")
        except KubernetesError as error:
            if error.status not in (400, 404):
                raise
            return None

    def remove_leftovers(self) -> None:
        """Remove contexts that a run which was killed at the wrong moment has left without their Job."""
        current = {item["metadata"]["name"] for item in self._api.items(self._path("apis/batch/v1", "jobs"))}
        for item in self._api.items(self._path("api/v1", "configmaps"), labelSelector=jobs.IMAGE_LABEL):
            if item["metadata"]["name"] not in current:
                self._api.delete(self._path("api/v1", "configmaps", item["metadata"]["name"]))

    def make(self, planned: Planned) -> None:
        """Make the context and the Job; the context goes when its Job goes."""
        build = planned.build
        context = self._path("api/v1", "configmaps", planned.name)
        self._api.delete(context)
        self._wait_gone(f"ConfigMap {planned.name}", lambda: self._api.find(context) is not None)
        manifest = jobs.job(self._template, build, planned.digest, self._push_address)
        manifest["metadata"]["namespace"] = self._namespace
        self._api.create(self._path("api/v1", "configmaps"), jobs.config_map(manifest, planned.context))
        made = self._api.create(self._path("apis/batch/v1", "jobs"), manifest)
        self._api.merge(context, jobs.owned_by(made))

    def remove_older(self, planned: Planned) -> None:
        """Stop builds of the same tag from other sources: they would overwrite it."""
        selector = ",".join(f"{name}={value}" for name, value in jobs.labels(planned.build).items())
        for item in self._api.items(self._path("apis/batch/v1", "jobs"), labelSelector=selector):
            if item["metadata"]["name"] != planned.name:
                self.remove(item["metadata"]["name"])
        for item in self._api.items(self._path("api/v1", "configmaps"), labelSelector=selector):
            if item["metadata"]["name"] != planned.name:
                self._api.delete(self._path("api/v1", "configmaps", item["metadata"]["name"]))

    def remove(self, name: str) -> None:
        """Delete a Job with its pods and its context, and wait until its pods can push no more."""
        path = self._path("apis/batch/v1", "jobs", name)
        self._api.delete(path)
        self._wait_gone(f"Job {name}", lambda: self._api.find(path) is not None)
        for pod in self.pods(name):
            self._api.delete(self._path("api/v1", "pods", pod["metadata"]["name"]), grace_seconds=1)
        self._wait_gone(f"the pod of Job {name}", lambda: bool(self.pods(name)))

    def pods(self, name: str) -> list[dict[str, Any]]:
        """Give the pods of a Job."""
        return self._api.items(self._path("api/v1", "pods"), labelSelector=f"batch.kubernetes.io/job-name={name}")

    def _wait_gone(self, what: str, is_there: Callable[[], bool]) -> None:
        try:
            self._waiting.until(lambda: {what: Look(not is_there(), "is being removed")}, GONE_SECONDS, poll=0.2)
        except WaitError as error:
            raise BuildError(
                f"{what} was not gone after {GONE_SECONDS:g} s, and could still push: delete it, and run this again."
            ) from error

    def _path(self, api: str, kind: str, name: str = "") -> str:
        return f"/{api}/namespaces/{self._namespace}/{kind}" + (f"/{name}" if name else "")
