# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is to be done with which places, done side by side and written down."""

from __future__ import annotations

import queue as queues
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import manifests
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.pod_exec import Container
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.places import Place
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import (
    access,
    changing,
    credentials,
    intruder,
    making,
    register,
    spreading,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.holding import Hold
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.making import Class
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.queue import Outcome, Say, side_by_side

# Works that end with a proof, for which an intruder is needed.
PROVED = ("make", "reset", "resume")
# Works that make a namespace.
MADE = ("make", "reset")
# What is as it was asked for already.
DONE = {"suspend": "suspended", "resume": "ready"}


@dataclass(frozen=True)
class Asked:
    """What is to be done (plugins/modules/students.py)."""

    room: str
    work: str
    names: Sequence[str]
    namespace: str
    state_dir: str
    at_once: int
    probe_image: str
    probe_namespace: str


class Command:
    """Works on places.

    Attributes:
        outcomes: what became of each that was worked on.
        students: every student's place, as it is after `run`.
    """

    def __init__(self, asked: Asked, course: Class, apis: Sequence[Api], another: Callable[[], Api], say: Say) -> None:
        """Look which places there are.

        Args:
            apis: the cluster, by a connection for us and one for each place that is worked on at a time.
            another: gives a further one.
        """
        self._asked = asked
        self._course = course
        self._api, *self._apis = apis
        self._another = another
        self._say = say
        self.outcomes: list[Outcome] = []
        self.students: list[Place] = []
        # Who failed in this run, and why they have no place; who may be left of a removal that did; who was removed.
        self._failed = dict.fromkeys(asked.names if asked.work == "remove" else (), "")
        self._gone: set[str] = set()

    @staticmethod
    def course(given: Mapping[str, Any], room: str) -> Class:
        """Read what all places have in common from the options."""
        return Class(
            room=room,
            namespace=given["namespace"],
            manifests=manifests.objects(given["manifests"]),
            services=given["services"],
            admin=credentials.administrator(given["kubeconfig"]),
            hours=given["hours"],
            door=given["door"],
            timeout=given["timeout"],
        )

    @cached_property
    def todo(self) -> list[Place]:
        """The places that are not as it was asked for."""
        there = {place.name: place for place in self._with_taken(self._read()) if not place.own}
        wanted = [there.get(name) or places.of_student(name, self._asked.state_dir) for name in self._asked.names]
        return [place for place in wanted if not self._is_done(place)]

    def _is_done(self, place: Place) -> bool:
        if self._asked.work == "make":
            return place.state == "suspended" or (place.state == "ready" and credentials.lasts(self._api, place))
        # Who is woken and whose time is over would be put to sleep again within minutes.
        over = self._asked.work == "resume" and places.has_expired(place)
        return DONE.get(self._asked.work) == place.state and not place.cause and not over

    def run(self) -> None:
        """Do it, and write the class down as it goes."""
        self._write(self._read())
        if self._asked.work in PROVED:
            self._course.paths.learn(self._api, self._course.manifests)
        todo = self._with_nodes()
        free: queues.SimpleQueue[Api] = queues.SimpleQueue()
        for api in self._apis:
            free.put(api)
        with ExitStack() as stack:
            outside = None
            if todo and self._asked.work in PROVED:
                where = (self._asked.probe_image, self._asked.probe_namespace, self._asked.room)
                outside = stack.enter_context(intruder.intruder(self._api, *where, self._say))

            def work(place: Place, say: Say) -> Place:
                api = free.get()
                try:
                    if self._is_renewal(place) and not places.has_expired(place):
                        return self._renewed(api, place)  # of a new kubeconfig, stages take no notice
                    with self._hold(place, say) as hold:
                        return self._worked(api, place, outside, say, hold)
                finally:
                    free.put(api)

            self.outcomes = side_by_side(todo, work, Outcome.of, self._asked.at_once, self._say, self._done)
        self._write(self._read())

    def _hold(self, place: Place, say: Say) -> Hold:
        """Keep stages out of a place, and out of their way."""
        doing = "making" if self._asked.work == "make" else self._asked.work
        return Hold(self._another(), place, doing, self._asked.room, say)

    def _with_nodes(self) -> list[Place]:
        """Give the places that are not as asked for; those whose pods are made anew, with a node for these."""
        if self._asked.work not in MADE:
            return self.todo
        anew = [place for place in self.todo if not self._is_renewal(place)]
        with_nodes = spreading.spread(anew, self.students, spreading.open_nodes(self._api))
        found = {place.name: place for place in with_nodes}
        return [found.get(place.name, place) for place in self.todo]

    def _is_renewal(self, place: Place) -> bool:
        """Tell whether a place's kubeconfig is all that is to be made."""
        return self._asked.work == "make" and place.state == "ready"

    def _worked(self, api: Api, place: Place, outside: Container | None, say: Say, hold: Hold) -> Place:
        """Do what was asked for with one place."""
        work, room = self._asked.work, self._course.room
        if work == "remove":
            return changing.remove(api, place, room, say)
        if work == "suspend":
            return changing.suspend(api, place, room, say)
        if outside is None:
            raise WorkshopError(f"{work} needs a pod that tries the policies.")
        if work == "make" and not self._is_renewal(place):
            return making.make(api, place, self._course, outside, say, hold.take)
        # Whose time is over may be on its way to sleep.
        act = changing.reset if work == "reset" else changing.resume
        return act(api, place, self._course, outside, say)

    def _renewed(self, api: Api, place: Place) -> Place:
        """Give a place that is handed out a kubeconfig that lasts."""
        renewed = making.with_credentials(api, place, self._course)
        access.prove(Api.connect(renewed.kubeconfig, say=lambda _: None), place.namespace)
        register.note(api, renewed)
        return renewed

    def _done(self, outcome: Outcome) -> None:
        """Write down what became of a place; what cannot be written hinders no other."""
        if outcome.cause:
            self._failed[outcome.place.name] = outcome.cause if self._asked.work in MADE else ""
        elif self._asked.work == "remove":
            self._gone.add(outcome.place.name)
        try:
            self._note(outcome)
        except (WorkshopError, OSError) as error:  # a disk may be full
            self._say(f"{outcome.place.name}: what became of it is not written down: {error}")

    def _note(self, outcome: Outcome) -> None:
        """Write down what became of a place; why it failed, on its namespace."""
        there = self._read()
        if outcome.cause and outcome.begun:
            failed = [each for each in there if each.name == outcome.place.name and not each.own]
            for place in failed:
                register.note(self._api, places.changed(place, state="failed", cause=outcome.cause))
            there = self._read() if failed else there
        self._write(there)

    def _read(self) -> list[Place]:
        return register.read(self._api, self._asked.room, self._asked.namespace, self._asked.state_dir)

    def _with_taken(self, there: Sequence[Place]) -> list[Place]:
        """Give the places, and the students without a namespace, on which nothing can be written."""
        asked = self._asked
        return register.with_taken(self._api, asked.room, there, asked.state_dir, self._failed, self._gone)

    def _write(self, there: Sequence[Place]) -> None:
        there = self._with_taken(there)
        self.students = [place for place in there if not place.own]
        places.write(Path(self._asked.state_dir) / places.CLASS_FILE, self._asked.room, there)
