# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Build what the registry does not hold, or not as it was built; some images at a time, and stop at the first failure.

Versions of one image are built one after the other: each finds the layers of the one before it in kaniko's cache.
Different images are built side by side.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.registry.api import (
    Damage,
    Registry,
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
from ansible_collections.istio_games.workshop.plugins.plugin_utils.kaniko.bases import Bases
from ansible_collections.istio_games.workshop.plugins.plugin_utils.kaniko.context import Build, pack, source_digest
from ansible_collections.istio_games.workshop.plugins.plugin_utils.kaniko.job_objects import (
    BuildError,
    Jobs,
    Planned,
)

POLL_SECONDS = 1.0
# Beside the time that the template gives a Job, or else this: for its pod to be made and to start.
START_SECONDS, JOB_SECONDS = 60.0, 3600.0
# That no pod may run (a quota, a policy, no node) has so long to mend itself, whatever the reason.
NO_POD_SECONDS = 45.0
# A registry that refuses a build's pod is tried again for so long: policies take seconds to reach a new pod's node.
REFUSED_SECONDS = 120.0
NO_POD = Trouble("nobody makes a pod for its Job", NO_POD_SECONDS, reason="NoPod")


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
        self._parallel = parallel
        self._records = records
        self._store = store
        self._say = say
        self._clock = clock
        self._bases = Bases(registry, push_address)
        self._waiting = Waiting(api, say, sleep, clock)
        self._jobs = Jobs(api, namespace, template, push_address, self._waiting)
        # Seconds that Kubernetes itself gives a Job.
        self._job_seconds = float(template["spec"].get("activeDeadlineSeconds") or JOB_SECONDS)

    def ensure(self, builds: Sequence[Build], check_mode: bool = False) -> Result:
        """Build what is missing, out of date or damaged."""
        result = Result()
        planned: list[Planned] = []
        broken = False
        for wanted in builds:
            build = self._bases.pinned(wanted, check_mode)
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
            self._jobs.remove_leftovers()
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
                    self._jobs.remove(item.planned.name)
            why = error.trouble.sentence if error.trouble else "its Job does not end"
            raise BuildError(f"{error.name} was not built: {why}.") from error

    def _start(self, planned: Planned) -> _Running:
        """Make the build's Job, or follow the one that an interrupted run has left."""
        self._jobs.remove_older(planned)
        existing = self._jobs.find(planned.name)
        if existing and jobs.outcome(existing) is None and "deletionTimestamp" not in existing["metadata"]:
            return _Running(planned, self._clock(), "is being built by a run before this one, which it follows")
        if existing:
            self._jobs.remove(planned.name)
        try:
            self._jobs.make(planned)
        except KubernetesError as error:
            if error.status != 409:
                raise
            return _Running(planned, self._clock(), "another run has just begun it, and is followed")
        return _Running(planned, self._clock(), "building")

    def _poll(self, item: _Running) -> Look:
        """Show what is new; tell how far the build is; raise BuildError when it failed."""
        name = item.planned.name
        # The Job before its pod: a pod seen after its Job has ended has said its last word.
        job_object = self._jobs.find(name)
        if job_object is None:
            # Another run, or what a killed one has left behind, may have ended it.
            if self._record(item.planned.build, item.planned.digest):
                return self._built(item)
            raise BuildError(f"{item.reference} was not built: somebody deleted its Job {name}.")
        ended = jobs.outcome(job_object)
        pods = self._jobs.pods(name)
        steps = self._new_steps(item, pods[-1]) if pods else []
        if steps and not ended:
            # The last one is how far the build is, and is said as that.
            item.step = steps.pop()
        for step in steps:
            self._say(f"{item.reference}: {step}")
        if ended == "complete":
            self._write_down(item, jobs.pushed_digest(pods[-1]) if pods else None)
            # Leaves nothing behind; the context goes with its Job.
            self._jobs.finish(name)
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
        self._jobs.remove(item.planned.name)
        self._jobs.make(item.planned)
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
        log = self._jobs.log(pod)
        if log is None:
            return []
        item.log = log or item.log
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
