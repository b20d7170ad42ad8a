# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Play a playbook for the students of several rooms. Documented in plugins/modules/several_rooms.py."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ansible import context
from ansible.utils.vars import load_extra_vars

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.arguments import plain
from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.typed import (
    COLLECTION,
    ROOM_INVENTORY,
    room_defaults,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.commands import in_rooms, with_room
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say, show
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import files, lock, places, rooms
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.places import Place, PlaceError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.rooms import Rooms, state_directory
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import assigning, playing, register, stages

# What is for this playbook alone, and not for the rooms'.
OWN = {"playbook", "student", "students", "rooms_at_once"}
# Where a playbook writes what it found; the others are stages.
WRITTEN = {"plan": "plan.json", "status": "statuses.json", "verify": "verified.json"}
STAGES = "stages.json"
# Of these, a room's register says all.
OF_PLACES = ("class", "reset", "suspend", "resume", "remove")
# A room that does not answer must not be waited for by all the others.
PATIENCE_SECONDS = 15.0


class ActionModule(WorkshopAction):
    """Thin: who is where, `assigning`, `playing`, tables and files."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        default = str(room_defaults(self._loader)["workshop_name"])
        self._rooms = Rooms(state_directory(os.environ), default)
        playbook = given["playbook"]
        assigning.judge(playbook, given["rooms"], self._rooms.names())
        assigning.refuse_of_one_room(load_extra_vars(self._loader))
        most = assigning.limits(given["most"], given["at_once"])
        if playbook in assigning.ASSIGNING and not self.check_mode:
            lock.hold("several rooms", say)
        there = self._there()
        orders = self._orders(playbook, there, most)
        if playbook == "class":
            self._refuse_too_many(assigning.awake(orders, there))
        since = max((path.stat().st_mtime_ns for path in self._written(playbook, orders) if path.exists()), default=0)
        played = self._play(playbook, orders)
        if playbook in OF_PLACES:
            there = self._there()
            show(assigning.table(there))
        elif playbook == "plan":
            show(self._plans({each.room: orders[each.room] for each in played if not each.fault}, since))
        else:
            self._summarise(playbook, orders, since)
        if not self.check_mode:
            self._write(places.CLASS_FILE, assigning.as_data(there))
        failed = [each for each in played if each.fault]
        result: dict[str, Any] = {
            "changed": any(each.changed for each in played),
            "rooms": assigning.as_data(there)["rooms"],
        }
        return result | (_failure(failed, len(played)) if failed else {})

    def _told_room(self) -> str:
        return ""

    def _orders(
        self, playbook: str, there: Mapping[str, Sequence[Place]], most: Mapping[str, int]
    ) -> dict[str, list[str]]:
        try:
            return assigning.orders(playbook, self._given["student"], self._given["students"], there, most)
        except PlaceError as error:
            typed = " -i ".join(context.CLIARGS.get("inventory") or ["inventory/rooms.yml"])
            raise PlaceError(in_rooms(str(error), typed)) from error

    def _there(self) -> dict[str, list[Place]]:
        """Ask every room's cluster who has a place there.

        Raises:
            WorkshopError: one does not answer: who is there might be made anew elsewhere.
        """
        names = self._given["rooms"]
        with ThreadPoolExecutor(max_workers=int(self._given["at_once"])) as pool:
            return assigning.once(dict(zip(names, pool.map(self._students, names), strict=True)))

    def _students(self, room: str) -> list[Place]:
        state = str(self._rooms.state(room))
        kubeconfig = str(self._rooms.settings(room).get("workshop_kubeconfig") or f"{state}/kubeconfig")
        try:
            api = Api.connect(kubeconfig, PATIENCE_SECONDS, lambda _: None)
            there = register.with_taken(api, room, register.read(api, room, "", state), state)
            return [place for place in there if not place.own]
        except WorkshopError as error:
            raise WorkshopError(
                f"The room {room} cannot be asked who has a place there, so nothing was changed in any: "
                f"{with_room(str(error), room)}"
            ) from error

    def _refuse_too_many(self, orders: Mapping[str, Sequence[str]]) -> None:
        say("asking every room whether its students fit")
        played = self._play("plan", orders, student_plan_refuses=True)
        if failed := [each for each in played if each.fault]:
            said = "\n".join(f"{each.room}: {each.fault}" for each in failed)
            number = f"{len(failed)} of {len(played)} rooms"
            raise WorkshopError(f"{number} cannot take their students, so nothing was changed in any room.\n{said}")

    def _play(self, playbook: str, orders: Mapping[str, Sequence[str]], **more: Any) -> list[playing.Played]:
        option = "students" if playbook in assigning.ASSIGNING else "student"
        # Who sleeps, or has no place yet, is passed over where all are meant, and is refused by name.
        everybody = option == "student" and places.is_everybody(self._given["student"])
        given = {name: value for name, value in plain(load_extra_vars(self._loader)).items() if name not in OWN}
        made = [
            playing.Order(
                room,
                COLLECTION / "playbooks" / f"{playbook}.yml",
                {**given, **more, option: places.ALL if everybody else list(wanted)},
                self._rooms.directory / room / rooms.LOG,
            )
            for room, wanted in orders.items()
        ]
        flags = [f"--{name}" for name in ("check", "diff") if context.CLIARGS.get(name)]
        return playing.play(made, ["-i", str(ROOM_INVENTORY), *flags], int(self._given["at_once"]), say)

    def _written(self, playbook: str, orders: Mapping[str, Any]) -> list[Path]:
        return [self._rooms.state(room) / WRITTEN.get(playbook, STAGES) for room in orders]

    def _summarise(self, playbook: str, orders: Mapping[str, Sequence[str]], since: int) -> None:
        """Join what the rooms have written, which is not older than this run."""
        found, passed_over = [], []
        for room, path in zip(orders, self._written(playbook, orders), strict=True):
            if _is_newer(path, since):
                told = json.loads(path.read_text())
                found += [{**each, "room": room} for each in told["places"]]
                passed_over += told.get("passed_over", [])
        done = [stages.of_summary(each) for each in found]
        show([*(stages.table(done) if done else []), *passed_over])
        good = sum(each.is_good for each in done)
        data = {"schema": stages.SCHEMA, "doing": playbook, "good": good, "places": found, "passed_over": passed_over}
        if not self.check_mode:
            self._write(WRITTEN.get(playbook, STAGES), data)

    def _plans(self, orders: Mapping[str, Sequence[str]], since: int) -> list[str]:
        """Say what fits into each room; one that has played in check mode has written it into its log alone."""
        lines = [""]
        for (room, wanted), path in zip(orders.items(), self._written("plan", orders), strict=True):
            said = f"{self._rooms.directory / room / rooms.LOG} tells what fits"
            if _is_newer(path, since):
                planned = json.loads(path.read_text())
                said = f"room for {planned['fits']}, limited by {planned['limit']}"
            lines.append(f"{room}: {len(wanted)} student{'' if len(wanted) == 1 else 's'}, {said}.")
        return [*lines, ""]

    def _write(self, name: str, data: Mapping[str, Any]) -> None:
        files.replace(self._rooms.directory / name, json.dumps(data, indent=2) + "\n")


def _is_newer(path: Path, since: int) -> bool:
    return path.is_file() and path.stat().st_mtime_ns > since


def _failure(failed: Sequence[playing.Played], number: int) -> dict[str, Any]:
    said = "\n".join(f"{each.room}: {each.fault}" for each in failed)
    return {"failed": True, "msg": f"{len(failed)} of {number} rooms failed.\n{said}"}
