# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Places: (application, namespace, person, credentials, path), the one unit that whatever serves people works on.

A room's own application is the first place; each student of a class has one more. A place is known by its namespace
in the cluster, which bears its state (`plugin_utils/students/register.py`); `class.json` is that for programs.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import files
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.settings import TAKEN_NAMESPACES
from ansible_collections.istio_games.workshop.plugins.plugin_utils.terminal import short

STATES = ("making", "ready", "suspended", "failed")

CLASS_FILE = "class.json"
# The directory of a student's files (kubeconfig, verdicts), in that of the room.
STUDENTS = "students"
NUMBERED, NUMBERED_NAME = "student-{:02d}", re.compile("student-(?!00)[0-9]{2,3}")
LIKE_NUMBERED = re.compile("student-?[0-9]+")
ALL = "all"
# Those whose time is over: for a timer that puts them to sleep.
EXPIRED = "expired"
# More than two nodes' addresses have room for.
MOST_STUDENTS = 250
# With what is put before or behind it, a name still is a DNS label (63).
LONGEST_NAME = 40
NAME = re.compile(rf"[a-z]([-a-z0-9]{{0,{LONGEST_NAME - 2}}}[a-z0-9])?")
NUMBER = re.compile(r"[1-9][0-9]*")
# What is meant as a number of students, whatever is wrong with it; a name begins with a letter.
NO_NAME = re.compile(r"\s*|\s*[-+.]*[0-9][-+.0-9eE\s]*")
# A student's number, also as it stands in the name.
OF_STUDENT = re.compile(r"0?[1-9]|[1-9][0-9]{1,2}")
# Words, namespaces of the cluster and of the workshop, and paths of the door.
RESERVED = {*TAKEN_NAMESPACES, ALL, EXPIRED, "door", "none", "staging"}
RESERVED_PREFIXES = ("istio-", "kube-", "openshift-")
_ALLOWED = f"1 to {LONGEST_NAME} lower-case letters, digits and hyphens that begin with a letter and end with no hyphen"
_EXAMPLES = "for example -e students=30, or -e students=anna,ben"


class PlaceError(WorkshopError, ValueError):
    """A place was named that cannot be, or is not there."""


@dataclass(frozen=True)
class Place:
    """What one person works in.

    Attributes:
        name: the student's name, which is what people type; that of its namespace for the room's own place.
        namespace: where its application runs.
        path: where the door has it, such as /student-07/; empty where no door leads there.
        directory: its own files on the controller: `kubeconfig`, and what its stages write.
        state: of STATES; one that is `ready` was proved and is handed out.
        cause: why it failed, in one sentence; else empty.
        made: when it was first made (RFC 3339, UTC); empty for the room's own.
        expires: when its kubeconfig ends (RFC 3339, UTC); empty when there is none.
        own: whether it is the room's own, not a student's.
        node: the node that its pods are for; empty where the scheduler chooses.
        page: the URL of its page, as it was proved; empty where no door leads there.
        taken: whether it has no namespace of its own, so that there is no place, and nothing is written there.
        refused: whether that is because none could be made, and not because it is somebody else's.
        throttled: since when its pods may take little of the processors (RFC 3339, UTC); empty if they may take all.
    """

    name: str
    namespace: str
    path: str
    directory: str
    state: str = "making"
    cause: str = ""
    made: str = ""
    expires: str = ""
    own: bool = False
    node: str = ""
    page: str = ""
    taken: bool = False
    refused: bool = False
    throttled: str = ""

    @property
    def kubeconfig(self) -> str:
        """The file of the person's own credentials."""
        return f"{self.directory}/kubeconfig"

    @property
    def slow(self) -> str:
        """A sentence that it is throttled, and how that ends; empty if it is not."""
        if not self.throttled:
            return ""
        return (
            f"{self.name} is throttled since {self.throttled}: its pods took the processors from the others. It ends "
            f"by itself once they want little; kubectl --namespace={self.namespace} get pods shows them."
        )

    @property
    def student(self) -> str:
        """Whose it is; empty for the room's own."""
        return "" if self.own else self.name

    def as_data(self) -> dict[str, Any]:
        """Give it as plain data, its kubeconfig's path too."""
        return {**dataclasses.asdict(self), "kubeconfig": self.kubeconfig}


def of_student(name: str, state_dir: str) -> Place:
    """Give a student's place, as it is before it is made."""
    return Place(name, name, f"/{name}/", f"{state_dir}/{STUDENTS}/{name}")


def of_room(namespace: str, state_dir: str) -> Place:
    """Give the room's own place."""
    return Place(namespace, namespace, "", state_dir, "ready", own=True)


def changed(place: Place, **fields: str | bool) -> Place:
    """Give a place with some of its fields changed."""
    return dataclasses.replace(place, **fields)  # type: ignore[arg-type]


def names(students: Any, taken: Iterable[str] = (), there: Iterable[str] = ()) -> list[str]:
    """Name the students of a class that is given by their number, or by their names as a list or with commas.

    Args:
        students: as it was typed; a number in a list is a numbered student.
        taken: further names that nobody may have, such as the application's namespace.
        there: names of students who have places: they are what they are.

    Raises:
        PlaceError: it is no number of students, or a name cannot be one.

    >>> names("3")
    ['student-01', 'student-02', 'student-03']
    >>> names("anna, ben,7")
    ['anna', 'ben', 'student-07']
    """
    if isinstance(students, bool) or not isinstance(students, (int, str, list, tuple)):
        raise PlaceError(f"students is {short(students)}, but must be a number, or names: {_EXAMPLES}.")
    if not isinstance(students, (list, tuple)) and NO_NAME.fullmatch(str(students)):
        return [NUMBERED.format(number + 1) for number in range(_count(str(students)))]
    return _new(students, "students", {*taken}, {*there})


def joiners(student: Any, taken: Iterable[str] = (), there: Iterable[str] = ()) -> list[str]:
    """Name who is to have a place besides: as in `names`, but a number alone is that numbered student, too.

    Raises:
        PlaceError: a name cannot be one.

    >>> joiners("7")
    ['student-07']
    """
    if isinstance(student, bool) or not isinstance(student, (int, str, list, tuple)):
        raise PlaceError(f"student is {short(student)}, but must be a name, or several with commas between.")
    if everybody := [name for name in _listed(student) if name in (ALL, EXPIRED)]:
        raise PlaceError(
            f"student is {everybody[0]}, which means students who have places, but class.yml makes some: {_EXAMPLES}, "
            "or -e student=NAME for a late joiner."
        )
    return _new(student, "student", {*taken}, {*there})


def _new(typed: int | str | Sequence[Any], argument: str, taken: set[str], there: set[str]) -> list[str]:
    """Give the names of people who have places, or can have some."""
    found = _listed(typed)
    if not found:
        raise PlaceError(f"{argument} names nobody, but must be names or numbers: {_EXAMPLES}.")
    for name in found:
        if name not in there:
            _judge(name, taken)
    _refuse_twice(found, argument)
    if len(found) > MOST_STUDENTS:
        raise PlaceError(f"{argument} has {len(found)} names, but a class has at most {MOST_STUDENTS}.")
    return found


def select(wanted: Any, there: Sequence[Place], now: str = "") -> list[Place]:
    """Give the places that -e student=... means: a name, several with commas, `all` students, or who has `expired`.

    Args:
        wanted: as it was typed.
        there: the room's places, its own too.
        now: the time (RFC 3339, UTC), unless it is now.

    Raises:
        PlaceError: one is not there.
    """
    if isinstance(wanted, bool) or not isinstance(wanted, (int, str, list, tuple)):
        raise PlaceError(f"student is {short(wanted)}, but must be a name, several with commas between, or {ALL}.")
    typed = _listed(wanted)
    known = {place.name: place for place in there}
    students = [place for place in there if not place.own]
    if not typed:
        raise PlaceError(f"student is empty, but must be a name, several with commas between, or {ALL}: {_are(there)}.")
    if ALL in typed:
        if typed != [ALL]:
            raise PlaceError(f"student is {short(wanted)}, but {ALL} stands alone: leave the names, or {ALL}, out.")
        if not students:
            raise PlaceError(
                "There are no students in this room: make some with ansible-playbook playbooks/class.yml "
                "-e students=2, for example."
            )
        return students
    if EXPIRED in typed:
        if typed != [EXPIRED]:
            raise PlaceError(f"student is {short(wanted)}, but {EXPIRED} stands alone: leave the names, or it, out.")
        return [place for place in students if has_expired(place, now)]
    if missing := [name for name in typed if name not in known]:
        near = [each for name in missing if (each := _usual(name)) in {*known, ALL, EXPIRED}]
        meant = f" (is {_some(near)} meant?)" if near else ""
        raise PlaceError(f"There is no student {_some(map(short, missing))} in this room{meant}: {_are(there)}.")
    _refuse_twice(typed, "student")
    return [known[name] for name in typed]


def meant(purpose: str, student: Any, students: Any, there: Sequence[Place], state_dir: str) -> list[Place]:
    """Give the places that a command is for.

    Args:
        purpose: `use` (any, or else the room's own), `make` (new ones too), `change` or `remove` (students that are
            there).
        student: -e student=..., None when it was not typed.
        students: -e students=..., None when it was not typed.
        there: the room's places, its own first.

    Raises:
        PlaceError: nobody is named who could be meant.
    """
    if purpose != "make":
        if students is not None:
            raise PlaceError("students says how many a class has, for class.yml alone: name them with -e student=NAME.")
        if student is None and purpose == "use":
            return [there[0]]
        if student is None:
            raise PlaceError(f"Say which student with -e student=NAME, several with commas between, or {ALL}.")
        if purpose == "remove" and is_everybody(student) and all(place.own for place in there):
            return []  # what a class has besides its places may be left
        if purpose == "change":
            there = _without_taken(student, there)
        found = select(student, there)
        if purpose in ("change", "remove") and (own := [place.name for place in found if place.own]):
            raise PlaceError(f"{own[0]} is the room's own place, and no student's: leave it out.")
        return found
    if (student is None) == (students is None):
        said = "Say how many students there are, or who" if student is None else "Say students or student, not both"
        raise PlaceError(f"{said}: {_EXAMPLES}.")
    known = {place.name: place for place in there}
    own, theirs = ([place.name for place in there if place.own is which] for which in (True, False))
    wanted = joiners(student, own, theirs) if students is None else names(students, own, theirs)
    return [known.get(name) or of_student(name, state_dir) for name in wanted]


def _without_taken(student: Any, there: Sequence[Place]) -> list[Place]:
    """Leave out whose namespace is somebody else's: all does not mean them, and one who is named has no place."""
    typed = _listed(student) if isinstance(student, (int, str, list, tuple)) else []
    if named := [place for place in there if place.taken and place.name in typed]:
        raise PlaceError("\n".join(f"{place.name} has no place. {place.cause}" for place in named))
    return [place for place in there if not place.taken]


def is_everybody(wanted: Any) -> bool:
    """Tell whether -e student=... says `all`, however that was typed."""
    return isinstance(wanted, (str, list, tuple)) and _listed(wanted) == [ALL]


def is_numbered(name: str) -> bool:
    """Tell whether a name is one that a number stands for, and that nobody has to type."""
    return bool(NUMBERED_NAME.fullmatch(name))


def has_expired(place: Place, now: str = "") -> bool:
    """Tell whether a place's time is over (RFC 3339, UTC: such times sort as text)."""
    return bool(place.expires) and place.expires <= (now or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


def write(path: Path, room: str, places: Sequence[Place]) -> bool:
    """Write a class down for programs, and tell whether it is another one than before; without students, it goes."""
    students = [place for place in places if not place.own]
    data = {"room": room, "students": [place.as_data() for place in students]}
    text = json.dumps(data, indent=2) + "\n" if students else ""
    if text.encode() == (path.read_bytes() if path.is_file() else b""):
        return False
    if not text:
        path.unlink()
        return True
    files.replace(path, text)
    return True


def _count(text: str) -> int:
    typed = text.strip()
    if not NUMBER.fullmatch(typed) or len(typed) > 9 or int(typed) > MOST_STUDENTS:
        raise PlaceError(
            f"students is {short(text)}, but must be a whole number from 1 to {MOST_STUDENTS}, or names: {_EXAMPLES}."
        )
    return int(typed)


def _listed(typed: int | str | Sequence[Any]) -> list[str]:
    """Give what was typed as names."""
    parts = typed.split(",") if isinstance(typed, str) else typed if isinstance(typed, (list, tuple)) else [typed]
    found = [str(part).strip() for part in parts]
    return (
        [] if found == [""] else [NUMBERED.format(int(name)) if OF_STUDENT.fullmatch(name) else name for name in found]
    )


def _usual(name: str) -> str:
    """Give a name as it is written here: student-7 and Student-007 are student-07.

    >>> [_usual(name) for name in ("student-7", "Student-007", "Anna", "student-0", "student-1000")]
    ['student-07', 'student-07', 'anna', 'student-0', 'student-1000']
    """
    found = re.fullmatch(r"student-?0*([1-9][0-9]{0,2})", name.lower(), re.ASCII)
    return NUMBERED.format(int(found[1])) if found else name.lower()


def _judge(name: str, taken: set[str]) -> None:
    """Refuse a name that no student can have."""
    if not NAME.fullmatch(name):
        raise PlaceError(f"A student is named {short(name)}, but a name must be {_ALLOWED}: {_EXAMPLES}.")
    if _usual(name) != name:
        raise PlaceError(f"A student is named {name!r}, which looks like {_usual(name)!r}: name that one, or another.")
    if LIKE_NUMBERED.fullmatch(name) and not is_numbered(name):
        raise PlaceError(f"A student is named {name!r}, which no number gives: they give student-01 to student-999.")
    if name in RESERVED | taken or name.startswith(RESERVED_PREFIXES):
        raise PlaceError(f"A student is named {name!r}, which has another use in a room: choose another name.")


def _refuse_twice(found: Sequence[str], argument: str) -> None:
    if twice := sorted(name for name, number in Counter(found).items() if number > 1):
        raise PlaceError(f"{argument} has {_some(twice)} more than once: name each once.")


def _are(there: Sequence[Place]) -> str:
    """Say which places there are, numbered ones in short."""
    found = [place.name for place in there]
    if len(found) > 12:
        found = [*found[:5], "...", *found[-3:]]
    return f"there are {', '.join(found)}" if found else "there are none"


def _some(names: Iterable[str]) -> str:
    """Name some of them, and how many others there are."""
    found = [*names]
    return ", ".join(found if len(found) <= 6 else [*found[:5], f"{len(found) - 5} more"])
