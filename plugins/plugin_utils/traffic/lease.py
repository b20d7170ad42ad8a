# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One stage at a time on a namespace: a Lease names who is at it.

A Lease (coordination.k8s.io/v1, https://kubernetes.io/docs/concepts/architecture/leases/) is renewed for as long as its
holder lives. Whether it does is seen by whether the renewals go on, not by comparing clocks: the two may differ.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import PREFIX, owner_labels

NAME = "workshop-stage"
RENEW_SECONDS = 1.0
# A holder that has not renewed for so long is dead.
DURATION_SECONDS = 15
SAY_SECONDS = 4.0
POLL_SECONDS = 0.25
# What is not given back by then expires: nobody waits for an API server that is away once all is said.
GIVE_BACK_SECONDS = 5.0


class LeaseError(WorkshopError):
    """Somebody else is at it, or has taken over. The message is one sentence for people."""


@dataclass(frozen=True)
class Holder:
    """Who changes the stage of a namespace.

    Attributes:
        space: where process numbers are unique: copies of a machine, and its containers, may share its name.
        process, started: its process number, and when that was started (ticks since the machine's start): together
            they tell a process from a later one of the same number.
        doing: in words, such as "rollout of aleph".
    """

    user: str
    machine: str
    space: str
    process: int
    started: str
    doing: str

    @classmethod
    def this(cls, doing: str) -> Holder:
        """This process."""
        return cls(_user(), socket.gethostname(), _space(), os.getpid(), _start_of(os.getpid()), doing)

    @property
    def ended(self) -> bool:
        """Whether it is certainly gone: it was a process that would be seen from here."""
        return bool(self.space) and self.space == _space() and _start_of(self.process) != self.started

    def __str__(self) -> str:
        return f"{self.user} on {self.machine} (process {self.process})"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"user {os.getuid()}"


def _space() -> str:
    """Name this start of the machine, and the process numbers that this process sees; empty when they are not known."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _start_of(process: int) -> str:
    """Give a process' start time, empty when there is none (proc(5), /proc/PID/stat, field 22)."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def boot_time() -> float:
    """Give a clock that goes on while the machine sleeps, in seconds: a lease expires meanwhile, too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """The Lease of one namespace."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        holder: Holder,
        say: Callable[[str], None],
        room: str = "",
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = boot_time,
    ) -> None:
        self._api = api
        self._all = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._path = f"{self._all}/{NAME}"
        self._namespace = namespace
        self._holder = holder
        self._say = say
        self._room = room
        self._sleep = sleep
        self._clock = clock
        self._identity = f"{holder.user}@{holder.machine}/{holder.space}/{holder.process}/{holder.started}"
        self._lost: str | None = None
        self._renewed = 0.0
        self._ended = threading.Event()

    @contextmanager
    def held(self) -> Iterator[Lease]:
        """Take it, renew it until the end, give it back."""
        self._take()
        self._renewed = self._clock()
        renewing = threading.Thread(target=self._renew, daemon=True)
        renewing.start()
        try:
            yield self
        finally:
            self._ended.set()
            renewing.join(RENEW_SECONDS + 1)
            with suppress(KubernetesError), self._api.until(time.monotonic() + GIVE_BACK_SECONDS):
                self._give_back()

    def check(self) -> None:
        """See that it is still held, before something is written."""
        if self._clock() - self._renewed > DURATION_SECONDS / 2:
            # The API server was away: nobody can have taken it meanwhile, but perhaps just now.
            self._renew_once()
        if self._lost:
            raise LeaseError(self._lost)

    def _take(self) -> None:
        """Take it, once nobody has it, or its holder is dead."""
        seen: tuple[str | None, str | None] | None = None
        last_sign = said = self._clock()
        while True:
            lease = self._api.find(self._path)
            other = _holder_of(lease)
            if lease is None:
                if self._written("create", self._all, self._body(None)):
                    return
                continue
            spec = lease.get("spec") or {}
            sign = (spec.get("renewTime"), spec.get("holderIdentity"))
            now = self._clock()
            if sign != seen:
                if seen is not None and other:
                    raise LeaseError(self._refusal(lease, other))
                seen, last_sign = sign, now
            dead = other is not None and other.ended
            if other is None or dead or now - last_sign > DURATION_SECONDS:
                if other:
                    self._say(f"{other} began the {other.doing} and is gone: going on from what it has left")
                if self._written("merge", self._path, self._body(lease["metadata"]["resourceVersion"])):
                    return
                continue
            if now - said > SAY_SECONDS:
                said = now
                self._say(f"{other} ({other.doing}) has given no sign of life for {now - last_sign:.0f} s: waiting")
            self._sleep(POLL_SECONDS)

    def _written(self, verb: str, path: str, body: dict[str, Any]) -> bool:
        """Write; False when somebody was faster."""
        try:
            getattr(self._api, verb)(path, body)
        except KubernetesError as error:
            if error.status == 409:
                return False
            raise
        return True

    def _refusal(self, lease: Mapping[str, Any], other: Holder) -> str:
        since = str(lease["spec"].get("acquireTime", ""))[11:19]
        return (
            f"{other} has been at the {other.doing} in namespace {self._namespace} since {since} UTC, and one stage is "
            "changed at a time: nothing was done; run the same command again when that has ended."
        )

    def _body(self, resource_version: str | None) -> dict[str, Any]:
        now = _now()
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": NAME,
                "namespace": self._namespace,
                "labels": {**owner_labels(self._room), "app.kubernetes.io/part-of": "traffic"},
                "annotations": {PREFIX + "holder": json.dumps(self._holder.__dict__)},
                **({"resourceVersion": resource_version} if resource_version else {}),
            },
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": DURATION_SECONDS,
                "acquireTime": now,
                "renewTime": now,
            },
        }

    def _renew(self) -> None:
        while not self._ended.wait(RENEW_SECONDS) and not self._lost:
            # A server that does not answer may come back; `check` asks it before anything is written.
            with suppress(KubernetesError):
                self._renew_once()

    def _renew_once(self) -> None:
        lease = self._api.find(self._path)
        if lease is None:  # somebody deleted it
            self._written("create", self._all, self._body(None))
        elif lease["spec"].get("holderIdentity") == self._identity:
            version = {"metadata": {"resourceVersion": lease["metadata"]["resourceVersion"]}}
            if not self._written("merge", self._path, {**version, "spec": {"renewTime": _now()}}):
                return  # somebody was faster: who that was is seen at the next look
        else:
            taker = _holder_of(lease)
            who = f"{taker} has it for the {taker.doing}" if taker else "somebody gave it back"
            self._lost = (
                f"The lease {self._namespace}/{NAME} is no longer this run's, {who}: nothing more is changed; "
                "run the same command again."
            )
            return
        self._renewed = self._clock()

    def _give_back(self) -> None:
        lease = self._api.find(self._path)
        if lease and lease["spec"].get("holderIdentity") == self._identity:
            version = lease["metadata"]["resourceVersion"]
            body = {"metadata": {"resourceVersion": version}, "spec": {"holderIdentity": None, "renewTime": None}}
            self._api.merge(self._path, body)


def _holder_of(lease: Mapping[str, Any] | None) -> Holder | None:
    """Read who holds a Lease; None when nobody does."""
    if not lease or not (lease.get("spec") or {}).get("holderIdentity"):
        return None
    annotations = lease["metadata"].get("annotations") or {}
    try:
        return Holder(**json.loads(annotations[PREFIX + "holder"]))
    except (KeyError, ValueError, TypeError):
        return Holder(str(lease["spec"]["holderIdentity"]), "an unknown machine", "", 0, "", "change of a stage")


def _now() -> str:
    """Give the time as a Lease wants it (MicroTime); it is for people."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
