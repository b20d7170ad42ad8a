# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Build what the registry does not hold, or not as it was built; some images at a time, and stop at the first failure.

Versions of one image are built one after the other: each finds the layers of the one before it in kaniko's cache.
Different images are built side by side.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.module_utils.registry.api import (
    Damage,
    Registry,
    RegistryError,
    UnansweredError,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.images.records import Record, Records
from ansible_collections.istio_games.workshop.plugins.plugin_utils.images.store import Store
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.events import Events
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.pods import trouble
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.waiting import (
    ONLY_TOLD,
    Look,
    Trouble,
    WaitError,
    Waiting,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.kaniko import job as jobs
from ansible_collections.istio_games.workshop.plugins.plugin_utils.kaniko import log as logs
from ansible_collections.istio_games.workshop.plugins.plugin_utils.kaniko.context import (
    Build,
    Context,
    pack,
    source_digest,
)

POLL_SECONDS = 1.0
# Beside the time that the template gives a Job, or else this: for its pod to be made and to start.
START_SECONDS, JOB_SECONDS = 60.0, 3600.0
# For something that was deleted to be gone.
GONE_SECONDS = 30.0
# That no pod may run (a quota, a policy, no node) has so long to mend itself, whatever the reason.
NO_POD_SECONDS = 45.0
# A registry that refuses a build's pod is tried again for so long: policies take seconds to reach a new pod's node.
REFUSED_SECONDS = 120.0
NO_POD = Trouble("nobody makes a pod for its Job", NO_POD_SECONDS, reason="NoPod")


class BuildError(WorkshopError):
    """A build failed; the message names the image, the reason and the end of kaniko's log."""


class BaseImageError(BuildError, RegistryError):
    """The registry lacks a build's base image."""


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


@dataclass
class _Running:
    planned: Planned
    started: float
    # How far it is, in words.
    step: str
    log: str = ""
    # When the registry was first out of its reach.
    refused: float | None = None
    # Lines of the log that were looked at, and the steps that were said: kaniko repeats some.
    seen: int = 0
    said: set[str] = field(default_factory=set)

    @property
    def reference(self) -> str:
        """The image with its tag."""
        return self.planned.build.reference


@dataclass
class Result:
    """What was built, in how many seconds, and what was there already."""

    built: dict[str, float] = field(default_factory=dict)
    up_to_date: list[str] = field(default_factory=list)


class Builder:
    """Builds images of one source directory.

    Args:
        template: of the Job.
        push_address: the registry's HOST:PORT, as pods reach it.
        parallel: how many images are built side by side.
        records: of what was built.
        store: the registry's storage, where something broken is in the way of a push.
        say: tells a person how far it is.
    """

    def __init__(
        self,
        api: Api,
        registry: Registry,
        *,
        namespace: str,
        source: Path,
        template: Mapping[str, Any],
        push_address: str,
        parallel: int,
        records: Records,
        store: Store,
        say: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._registry = registry
        self._namespace = namespace
        self._source = source
        self._template = template
        self._push_address = push_address
        self._parallel = parallel
        self._records = records
        self._store = store
        self._say = say
        self._clock = clock
        # Bases of our own that were read and are whole, by reference: many builds share one.
        self._bases: dict[str, str] = {}
        self._waiting = Waiting(api, say, sleep, clock)

    def ensure(self, builds: Sequence[Build], check_mode: bool = False) -> Result:
        """Build what is missing, out of date or damaged."""
        result = Result()
        planned: list[Planned] = []
        broken = False
        for wanted in builds:
            build = self._on_base(wanted, check_mode)
            context = pack(self._source, build)
            digest = source_digest(context, build)
            record = self._record(build, digest)
            damage = self._damage(build, record, check_mode) if record else None
            if damage:
                self._say(f"{build.reference} is built again: {damage.sentence}")
                broken = broken or damage.broken
            if damage or not record:
                planned.append(Planned(build, context, digest))
            else:
                result.up_to_date.append(build.reference)
        if check_mode:
            result.built = {item.build.reference: 0.0 for item in planned}
            return result
        if broken:
            self._store.clear_up()
        if planned:
            self._remove_leftovers()
            self._run(planned, result)
        return result

    def _record(self, build: Build, digest: str) -> Record | None:
        """Give what is written of an image that was built of just these sources."""
        record = self._records.find(build.image, build.tag)
        return record if record and record.source == digest else None

    def _damage(self, build: Build, record: Record, check_mode: bool) -> Damage | None:
        try:
            return self._registry.damage(build.image, build.tag, record.digest)
        except UnansweredError:
            if check_mode:  # the registry is to be made again
                return Damage("the registry does not answer")
            raise

    def _on_base(self, build: Build, check_mode: bool) -> Build:
        """Name by its digest what our own registry serves as a base: its tag may stay while its contents change."""
        named = dict(build.build_args)
        for name, value in build.build_args.items():
            if value.startswith(self._push_address + "/") and "@" not in value:
                with suppress(RegistryError) if check_mode else nullcontext():  # there is no registry yet
                    named[name] = f"{value}@{self._base_digest(build, value)}"
        return replace(build, build_args=named)

    def _base_digest(self, build: Build, reference: str) -> str:
        if reference in self._bases:
            return self._bases[reference]
        name, _, tag = reference.removeprefix(self._push_address + "/").rpartition(":")
        damage = self._registry.damage(name, tag)
        digest = None if damage else self._registry.digest(name, tag)
        if digest is None:
            why = damage.sentence if damage else "there is no such tag"
            raise BaseImageError(
                f"{build.reference} cannot be built: its base image {name}:{tag} cannot be had from the registry "
                f"({why}). ansible-playbook playbooks/registry.yml pushes the room's own again."
            )
        self._bases[reference] = digest
        return digest

    def _remove_leftovers(self) -> None:
        """Remove contexts that a run which was killed at the wrong moment has left without their Job."""
        current = {item["metadata"]["name"] for item in self._api.items(self._path("apis/batch/v1", "jobs"))}
        for item in self._api.items(self._path("api/v1", "configmaps"), labelSelector=jobs.IMAGE_LABEL):
            if item["metadata"]["name"] not in current:
                self._api.delete(self._path("api/v1", "configmaps", item["metadata"]["name"]))

    def _run(self, planned: Sequence[Planned], result: Result) -> None:
        queues: dict[str, list[Planned]] = {}
        for missing in planned:
            queues.setdefault(missing.build.image, []).append(missing)
        # The image with most versions first: it takes longest.
        waiting = sorted(queues.values(), key=len, reverse=True)
        running: list[tuple[_Running, list[Planned]]] = []

        def look() -> dict[str, Look]:
            """See to what runs, and start what may run now."""
            looks = {}
            for entry in list(running):
                item, queue = entry
                look = self._poll(item)
                if look.done:
                    result.built[item.reference] = round(self._clock() - item.started, 1)
                    running.remove(entry)
                    if queue:
                        waiting.insert(0, queue)
                looks[item.reference] = look
            while waiting and len(running) < self._parallel:
                # What could not be started, because the API server is silent, stays the next.
                queue = waiting[0]
                item = self._start(queue[0])
                del waiting[0], queue[0]
                running.append((item, queue))
                looks[item.reference] = Look(False, item.step, limit=self._job_seconds)
            return looks

        try:
            # Each Job has a deadline of its own, which Kubernetes keeps; this one is for a cluster that does not.
            self._waiting.until(look, len(planned) * (self._job_seconds + START_SECONDS), POLL_SECONDS)
        except WaitError as error:
            for item, _ in running:
                if item.reference == error.name:
                    # Else it would run, and push, when nobody looks.
                    self._remove(item.planned.name)
            why = error.trouble.sentence if error.trouble else "its Job does not end"
            raise BuildError(f"{error.name} was not built: {why}.") from error

    @property
    def _job_seconds(self) -> float:
        return float(self._template["spec"].get("activeDeadlineSeconds") or JOB_SECONDS)

    def _path(self, api: str, kind: str, name: str = "") -> str:
        return f"/{api}/namespaces/{self._namespace}/{kind}" + (f"/{name}" if name else "")

    def _start(self, planned: Planned) -> _Running:
        """Make the build's Job, or follow the one that an interrupted run has left."""
        self._remove_older(planned)
        path = self._path("apis/batch/v1", "jobs", planned.name)
        existing = self._api.find(path)
        if existing and jobs.outcome(existing) is None and "deletionTimestamp" not in existing["metadata"]:
            return _Running(planned, self._clock(), "is being built by a run before this one, which it follows")
        if existing:
            self._remove(planned.name)
        try:
            self._make(planned)
        except KubernetesError as error:
            if error.status != 409:
                raise
            return _Running(planned, self._clock(), "another run has just begun it, and is followed")
        return _Running(planned, self._clock(), "building")

    def _make(self, planned: Planned) -> None:
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

    def _remove_older(self, planned: Planned) -> None:
        """Stop builds of the same tag from other sources: they would overwrite it."""
        selector = f"{jobs.IMAGE_LABEL}={planned.build.image},{jobs.TAG_LABEL}={planned.build.tag}"
        for item in self._api.items(self._path("apis/batch/v1", "jobs"), labelSelector=selector):
            if item["metadata"]["name"] != planned.name:
                self._remove(item["metadata"]["name"])
        for item in self._api.items(self._path("api/v1", "configmaps"), labelSelector=selector):
            if item["metadata"]["name"] != planned.name:
                self._api.delete(self._path("api/v1", "configmaps", item["metadata"]["name"]))

    def _remove(self, name: str) -> None:
        """Delete a Job with its pods and its context, and wait until its pods can push no more."""
        path = self._path("apis/batch/v1", "jobs", name)
        self._api.delete(path)
        self._wait_gone(f"Job {name}", lambda: self._api.find(path) is not None)
        for pod in self._pods(name):
            self._api.delete(self._path("api/v1", "pods", pod["metadata"]["name"]), grace_seconds=1)
        self._wait_gone(f"the pod of Job {name}", lambda: bool(self._pods(name)))

    def _wait_gone(self, what: str, is_there: Callable[[], bool]) -> None:
        try:
            self._waiting.until(lambda: {what: Look(not is_there(), "is being removed")}, GONE_SECONDS, poll=0.2)
        except WaitError as error:
            raise BuildError(
                f"{what} was not gone after {GONE_SECONDS:g} s, and could still push: delete it, and run this again."
            ) from error

    def _pods(self, name: str) -> list[dict[str, Any]]:
        return self._api.items(self._path("api/v1", "pods"), labelSelector=f"batch.kubernetes.io/job-name={name}")

    def _poll(self, item: _Running) -> Look:
        """Show what is new; tell how far the build is; raise BuildError when it failed."""
        name = item.planned.name
        # The Job before its pod: a pod seen after its Job has ended has said its last word.
        job_object = self._api.find(self._path("apis/batch/v1", "jobs", name))
        if job_object is None:
            # Another run, or what a killed one has left behind, may have ended it.
            if self._record(item.planned.build, item.planned.digest):
                return self._built(item)
            raise BuildError(f"{item.reference} was not built: somebody deleted its Job {name}.")
        ended = jobs.outcome(job_object)
        pods = self._pods(name)
        steps = self._new_steps(item, pods[-1]) if pods else []
        if steps and not ended:
            # The last one is how far the build is, and is said as that.
            item.step = steps.pop()
        for step in steps:
            self._say(f"{item.reference}: {step}")
        if ended == "complete":
            self._write_down(item, jobs.pushed_digest(pods[-1]) if pods else None)
            # Leaves nothing behind; the context goes with its Job.
            self._api.delete(self._path("apis/batch/v1", "jobs", name))
            return self._built(item)
        if ended:
            why = logs.reason(item.log)
            if self._tries_again(item):
                item.step = f"is tried again, since {why}"
                return Look(False, item.step, limit=self._job_seconds)
            found = trouble(pods[-1]) if pods else None
            raise BuildError(self._failure(item, ended, found.sentence if found else ""))
        if item.log:
            return Look(False, item.step, limit=self._job_seconds)
        events = Events.read(self._api, self._namespace)
        found = trouble(pods[-1], events) if pods else events.trouble("Job", job_object) or NO_POD
        if found and (not pods or found.patience < ONLY_TOLD):
            found = replace(found, patience=min(found.patience, NO_POD_SECONDS))
        return Look(False, item.step, found, self._job_seconds)

    def _tries_again(self, item: _Running) -> bool:
        """Make a failed Job anew, if it failed because its pod could not reach the registry, and not for too long."""
        if not logs.may_pass(item.log):
            return False
        item.refused = self._clock() if item.refused is None else item.refused
        if self._clock() - item.refused >= REFUSED_SECONDS:
            return False
        self._remove(item.planned.name)
        self._make(item.planned)
        item.log, item.seen = "", 0
        return True

    def _write_down(self, item: _Running, digest: str | None) -> None:
        """Record what a build has pushed, once the registry is seen to hold it."""
        if digest is None:
            raise BuildError(
                f"{item.reference} was built, but its pod does not say what it pushed: run the same command again."
            )
        build = item.planned.build
        damage = self._registry.damage(build.image, build.tag, digest)
        if damage:
            raise BuildError(
                f"{item.reference} was built and pushed, but the registry does not hold it: {damage.sentence}. Run the "
                "same command again; if that does not help, look at the registry's storage."
            )
        self._records.write(build.image, build.tag, Record(digest, item.planned.digest))

    def _built(self, item: _Running) -> Look:
        return Look(True, f"built and pushed in {round(self._clock() - item.started, 1):g} s")

    def _new_steps(self, item: _Running, pod: Mapping[str, Any]) -> list[str]:
        """Read the log, and give the steps that are new."""
        path = self._path("api/v1", "pods", pod["metadata"]["name"]) + "/log"
        try:
            item.log = self._api.text(path) or item.log
        except KubernetesError as error:
            if error.status not in (400, 404):  # the container has not started yet
                raise
            return []
        lines = item.log.splitlines()
        steps = [text for line in lines[item.seen :] if (text := logs.step(line)) and text not in item.said]
        item.seen = len(lines)
        item.said.update(steps)
        return list(dict.fromkeys(steps))

    def _failure(self, item: _Running, ended: str, pod_trouble: str) -> str:
        reference, name = item.reference, item.planned.name
        if ended == "DeadlineExceeded":
            sentence = f"{reference} was not built: it took longer than {self._job_seconds:g} s"
        elif "more memory" in pod_trouble or not item.log.strip():
            sentence = f"{reference} was not built: {pod_trouble or ended}"
        else:
            sentence = f"{reference} was not built: {logs.reason(item.log)}"
        more = f"The whole log: kubectl logs -n {self._namespace} job/{name}"
        return (
            f"{sentence}. The end of kaniko's log:\n{logs.tail(item.log)}\n{more}"
            if item.log.strip()
            else f"{sentence}."
        )
