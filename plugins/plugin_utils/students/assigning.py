# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A class over several rooms: who is where, which room takes whom, and what each is to do.

Where a student is, the rooms' clusters say, and nobody is moved: who has a place somewhere keeps it, whatever rooms or
students come besides. Who has none goes to the room with the fewest.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.columns import aligned
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import changes, names, places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.places import Place, PlaceError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.terminal import short

# What several rooms do at once: what is done with places. restore.yml is for one student, in that one's room.
PLAYBOOKS = sorted(({*names.READ_BY["student"]} | {*names.READ_BY["students"]}) - {"restore", "rooms"})
# These say who is to have a place, the others who has one.
ASSIGNING = ("class", "plan")

# More ansible-playbooks than this no machine bears.
MOST_AT_ONCE = 100

There = Mapping[str, Sequence[Place]]


def judge(playbook: Any, rooms: Sequence[str], existing: Sequence[str]) -> None:
    """Refuse what several rooms cannot do.

    Raises:
        PlaceError: with what to type.
    """
    if playbook not in PLAYBOOKS:
        raise PlaceError(
            f"playbook is {short(playbook)}, but in several rooms can be one of {', '.join(PLAYBOOKS)}: for example "
            "-e playbook=class -e students=60."
        )
    if not rooms:
        raise PlaceError(
            "The inventory names no rooms: give one with -i whose group rooms has them as its hosts, as "
            "inventory/rooms.example.yml."
        )
    if missing := [name for name in rooms if name not in existing]:
        raise PlaceError(
            f"There is no room {', '.join(map(repr, missing))} here (there are {', '.join(existing) or 'none'}): make "
            f"it first with make up ARGS='-e workshop_name={missing[0]} ...', or take it out of the inventory."
        )


def refuse_of_one_room(given: Collection[str]) -> None:
    """Refuse what belongs to one room, and would be given to all of them.

    Raises:
        PlaceError: with what to type.
    """
    if found := [name for name in (*changes.FIXED, "workshop_name") if name in given]:
        raise PlaceError(
            f"{', '.join(found)}: that is of one room, and would be given to all of them. Leave it out: each has "
            "its own, and the inventory's group rooms names them."
        )


def limits(most: Mapping[str, Any], at_once: Any) -> dict[str, int]:
    """Judge the numbers of an inventory of rooms and of the command, and give the most students of each room.

    Raises:
        PlaceError: one is none.
    """
    for room, number in most.items():
        known = not isinstance(number, bool) and re.fullmatch("0|[1-9][0-9]{0,2}", str(number), re.ASCII)
        if not known or int(str(number)) > places.MOST_STUDENTS:
            raise PlaceError(
                f"most_students of the room {room} is {short(number)}, but must be a whole number from 0 to "
                f"{places.MOST_STUDENTS}: mend it in the inventory."
            )
    known = not isinstance(at_once, bool) and re.fullmatch("[1-9][0-9]{0,2}", str(at_once), re.ASCII)
    if not known or int(str(at_once)) > MOST_AT_ONCE:
        raise PlaceError(
            f"rooms_at_once is {short(at_once)}, but must be a whole number from 1 to {MOST_AT_ONCE}: for example "
            "-e rooms_at_once=8."
        )
    return {room: int(str(number)) for room, number in most.items()}


def orders(playbook: str, student: Any, students: Any, there: There, most: Mapping[str, int]) -> dict[str, list[str]]:
    """Give the names that each room works on; a room that has nothing to do is left out.

    Args:
        student: -e student=..., None when it was not typed; students: likewise.
        there: the students of each room, in the rooms' order.
        most: the most students that a room takes, where that is said.

    Raises:
        PlaceError: somebody is meant who is not there, or has no room.
    """
    everybody = [place for each in there.values() for place in each]
    if playbook in ASSIGNING:
        there = {room: [place for place in each if not place.taken] for room, each in there.items()}
        meant = places.meant("make", student, students, everybody, "")
        found = assigned([place.name for place in meant], there, most)
    else:
        homes, found = _homes(there), {room: [] for room in there}
        purpose = "remove" if playbook == "remove" and everybody else "change"
        for place in places.meant(purpose, student, students, everybody, ""):
            found[homes[place.name]].append(place.name)
    return {room: wanted for room, wanted in found.items() if wanted}


def awake(orders: Mapping[str, Sequence[str]], there: There) -> dict[str, list[str]]:
    """Leave out who sleeps, whom `class` does not wake, so that no room need have space for them."""
    asleep = {place.name for each in there.values() for place in each if place.state == "suspended"}
    found = {room: [name for name in wanted if name not in asleep] for room, wanted in orders.items()}
    return {room: wanted for room, wanted in found.items() if wanted}


def assigned(wanted: Sequence[str], there: There, most: Mapping[str, int]) -> dict[str, list[str]]:
    """Give each student a room.

    Raises:
        PlaceError: the rooms do not take so many.
    """
    homes = _homes(there)
    number = {room: len(each) for room, each in there.items()}
    found: dict[str, list[str]] = {room: [] for room in there}
    for name in wanted:
        room = homes.get(name)
        if room is None:
            free = [each for each in number if number[each] < most.get(each, places.MOST_STUDENTS)]
            if not free:
                limits = ", ".join(f"{each} {most.get(each, places.MOST_STUDENTS)}" for each in number)
                raise PlaceError(
                    f"{len(wanted)} students do not fit into the rooms, which take at most {limits}: raise "
                    "most_students in the inventory, or add a room. Nothing was changed."
                )
            room = min(free, key=lambda each: number[each])
            number[room] += 1
        found[room].append(name)
    return found


def once(there: There) -> dict[str, list[Place]]:
    """Leave out whose namespace is somebody else's in one room, and who is told of another, where they have a place."""
    homes: dict[str, str] = {}
    for taken in (False, True):
        for room, students in there.items():
            for place in students:
                if place.taken is taken:
                    homes.setdefault(place.name, room)
    return {
        room: [place for place in each if not place.taken or homes[place.name] == room] for room, each in there.items()
    }


def _homes(there: There) -> dict[str, str]:
    """Give each student's room.

    Raises:
        PlaceError: somebody has two.
    """
    homes: dict[str, str] = {}
    for room, students in there.items():
        for place in students:
            if place.name in homes:
                raise PlaceError(
                    f"{place.name} has a place in {homes[place.name]} and in {room}: remove one with ansible-playbook "
                    f"playbooks/remove.yml -e workshop_name={room} -e student={place.name}, for example."
                )
            homes[place.name] = room
    return homes


def as_data(there: There) -> dict[str, Any]:
    """Give the class of all rooms as data (docs/class.md)."""
    return {
        "rooms": {room: [place.name for place in each] for room, each in there.items()},
        "students": [{**place.as_data(), "room": room} for room, each in there.items() for place in each],
    }


def table(there: There) -> list[str]:
    """Draw it for people."""
    rows = [("room", "student", "place", "page", "kubeconfig until")]
    for room, each in there.items():
        rows += [(room, place.name, place.state, place.page or "-", place.expires) for place in each]
    causes = [f"{place.name}: {place.cause}" for each in there.values() for place in each if place.state == "failed"]
    number = ", ".join(f"{room} {len(each)}" for room, each in there.items())
    return ["", *aligned(rows), "", *causes, f"{len(rows) - 1} students: {number}.", ""]
