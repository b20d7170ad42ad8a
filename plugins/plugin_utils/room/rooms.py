# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A user's rooms: which there are, which one is meant, and what each remembers."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.podman_room import ROOM_NAME
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import files

# What a playbook does with its room: makes it, changes what runs in it, uses it as it is, or removes it.
Purpose = Literal["make", "change", "use", "remove"]

RECORD = "room.yml"
# Any of these shows that a directory is a room's, also that of a room which was half made or half removed.
MARKS = (RECORD, "kubeconfig", "bundle")
# What rooms.yml writes of several rooms, beside them, and of each, in its directory (what it has played there).
OF_SEVERAL = ("class.json", "stages.json", "statuses.json", "verified.json")
LOG = "rooms.log"
HEADER = "# What this room was given, besides the defaults. Written by the playbooks, removed by teardown.yml.\n---\n"


class RoomError(WorkshopError):
    """The room that was asked for isn't there, or isn't named."""


@dataclass(frozen=True)
class Record:
    """What a room remembers.

    Attributes:
        settings: values by variable name, as they were given.
        inventory: the inventory's sources, absolute; none: the collection's own.
        overridden: what the inventory said where something else was given. For as long as it says that, what was given
            counts.
        for_tests: it is never meant without its name (the setting `workshop_for_tests`).
        begun: something of it was made besides its bundle: what a cluster is made with can no longer be changed.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    inventory: tuple[str, ...] = ()
    overridden: Mapping[str, Any] = field(default_factory=dict)
    for_tests: bool = False
    begun: bool = True

    @property
    def text(self) -> str:
        """What stands in the file."""
        data = {
            "settings": dict(self.settings),
            "inventory": list(self.inventory),
            "overridden": dict(self.overridden),
            "for_tests": self.for_tests,
            "begun": self.begun,
        }
        return HEADER + yaml.safe_dump(data, sort_keys=True, default_flow_style=False)


@dataclass(frozen=True)
class Rooms:
    """The rooms whose state is in `directory`.

    Attributes:
        directory: where each room has a directory of its name.
        default: the room that is meant where there are several, or none.
    """

    directory: Path
    default: str

    def names(self) -> list[str]:
        """Name those that are there, also half."""
        try:
            return sorted(
                path.name for path in self.directory.iterdir() if any(os.path.lexists(path / mark) for mark in MARKS)
            )
        except OSError:  # there is none, or it is somebody else's
            return []

    def record(self, name: str) -> Record | None:
        """Read what a room remembers; None if it has no memory (or there is no such room).

        Raises:
            RoomError: the file is not what the playbooks write.
        """
        path = self.path(name)
        if name not in self.names() or not path.is_file():
            return None
        try:
            data = yaml.safe_load(path.read_text())
            # Older rooms have not written down what was overridden, that they are for tests, nor that they are begun.
            overridden = dict(data.get("overridden") or {})
            for_tests = bool(data.get("for_tests"))
            begun = bool(data.get("begun", True))
            return Record(dict(data["settings"]), tuple(map(str, data["inventory"])), overridden, for_tests, begun)
        except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
            reason = str(error).splitlines()[0]
            raise RoomError(
                f"{path} cannot be read ({reason}): mend it, or remove it and give -e and -i again."
            ) from error

    def bundles(self) -> list[Path]:
        """Give every room's link to its bundle.

        Raises:
            RoomError: a room's memory, which says where that is, cannot be read.
        """
        return [
            Path(self.settings(name).get("workshop_bundle_dir") or self.state(name) / "bundle") for name in self.names()
        ]

    def settings(self, name: str) -> Mapping[str, Any]:
        """Give what a room remembers of its settings; raise RoomError where that cannot be read."""
        return (self.record(name) or Record()).settings

    def state(self, name: str) -> Path:
        """Give the directory that a room's playbooks write into; raise RoomError as `settings`."""
        return Path(self.settings(name).get("workshop_state_dir") or self.directory / name)

    def path(self, name: str) -> Path:
        """The file of a room's memory."""
        return self.directory / name / RECORD

    def write(self, name: str, record: Record) -> None:
        """Replace what a room remembers; nobody else may read it."""
        files.replace(self.path(name), record.text)

    def forget(self, name: str) -> None:
        """Remove a room's memory, its directory if nothing else is in it, and with the last room what several had."""
        for file in (RECORD, LOG):  # the log is here, wherever the room's state is
            (self.path(name).parent / file).unlink(missing_ok=True)
        if self.path(name).parent.is_dir() and not any(self.path(name).parent.iterdir()):
            self.path(name).parent.rmdir()
        if not self.names():
            for file in OF_SEVERAL:
                (self.directory / file).unlink(missing_ok=True)

    def choose(self, given: str | None, purpose: Purpose) -> str:
        """Name the room that is meant.

        Args:
            given: the name that a user gave, if any.
            purpose: what is to become of the room; only one that is made or removed need not be there.

        Raises:
            RoomError: it isn't there, or there are several.
        """
        name = self._unnamed() if given is None else given
        if name not in self.names() and purpose in ("change", "use"):
            raise RoomError(self.missing(name))
        return name

    def to_be_named(self, name: str) -> str:
        """Give a room's name where it has to be typed; empty where that room is meant without it."""
        try:
            return name if ROOM_NAME.fullmatch(name) and name != self._unnamed() else ""
        except RoomError:
            return name

    def _unnamed(self) -> str:
        """Name the room that is meant where none is: the only one, or the default; never one that is for tests."""
        there = [name for name in self.names() if not self._is_for_tests(name)]
        if len(there) == 1:
            return there[0]
        if there and self.default not in there:
            raise RoomError(f"There are several rooms, {', '.join(there)}: say which one with -e workshop_name=NAME.")
        return self.default

    def _is_for_tests(self, name: str) -> bool:
        try:
            record = self.record(name)
        except RoomError:  # said as soon as that room is meant
            return False
        return record is not None and record.for_tests

    def missing(self, name: str) -> str:
        """Say that there is no such room, which others there are, and what to type."""
        there = self.names()
        if there:
            return f"There is no room {name!r}, but {', '.join(there)}: type -e workshop_name={there[0]}, for example."
        said = f"There is no room {name!r}, and no other, in {self.directory}"
        home, others = elsewhere(self.directory)
        if others:
            return f"{said}; in {home} there are {', '.join(others)}: type HOME={home} before the command."
        if os.geteuid() != 0:
            return f"{said}: rooms are root's, so become root (sudo -s -H), activate .venv again, and type it again."
        return f"{said}: make it with `make up`."


def state_directory(environment: Mapping[str, str]) -> Path:
    """Where a user's rooms are (as workshop_state_dir says in roles/room/defaults/main/workshop.yml)."""
    base = environment.get("XDG_STATE_HOME") or environment.get("HOME", real_home()) + "/.local/state"
    return Path(f"{base}/istio-workshop")


def elsewhere(directory: Path) -> tuple[str, list[str]]:
    """Give this user's real home directory, and its rooms: HOME may name another one that has none."""
    home = real_home()
    own = state_directory({"HOME": home})
    return home, Rooms(own, "").names() if home and own != directory else []


def real_home() -> str:
    """This user's home directory, whatever HOME says; empty for one without an account, as in a container."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return ""
