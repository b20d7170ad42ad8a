# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Commands in what people are told: each names the room that it is about where another one would be meant without.

An action's process tells once which room that is (`about`); whatever ends in a sentence, a table or a file asks here.
Who plays the collection's playbooks by name is in no directory that has their files: commands are such then, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible import constants, context

# A playbook of ours, but that of several rooms, and make's two that take a room.
_PLAYBOOK = re.compile(r"ansible-playbook (?:-i \S+ )?(?:playbooks/)?(?!rooms\.)[a-z_]+\.yml(?! -e workshop_name=)")
_MAKE = re.compile(r"make (?:up|down)(?!\w)(?! ARGS=(?:'[^']*|\"[^\"]*)workshop_name=)")
_IN_ROOMS = re.compile(r"ansible-playbook playbooks/([a-z_]+)\.yml(?! -e workshop_name=)")
NAME = "istio_games.workshop."
_FILE = re.compile(r"ansible-playbook ((?:-i \S+ )*)(?:playbooks/)?([a-z_]+)\.yml")
_MADE = re.compile(r"`?make (up|down)(?!\w)(?: ARGS=([\"'])(.*?)\2)?`?")
_OF_MAKE = {"up": "site", "down": "teardown"}
# What follows a playbook in its command: options with their values.
_NAMED = re.compile(r"(?: -\S+ \S+)*? -e workshop_name=")


def _unnamed() -> str:
    return ""


class _About:
    """The room that this process works on; empty where no command has to name it."""

    room: Callable[[], str] = staticmethod(_unnamed)


def about(room: Callable[[], str] = _unnamed) -> None:
    """Say which room commands are to name; it is asked when there is one. Without it, none is named any more."""
    _About.room = staticmethod(room)


def with_room(said: Any, room: str | Callable[[], str] | None = None) -> Any:
    """Give sentences, or data with sentences in it, with a room named in each command that names none.

    Args:
        room: the one that was told by `about`, unless it is given, or what is asked for it; "" names none.

    >>> with_room("Next: ansible-playbook rollout.yml -e weight=50", "blue")
    'Next: ansible-playbook rollout.yml -e workshop_name=blue -e weight=50'
    >>> with_room(["Type make up, which makes it again."], "blue")
    ['Type make up ARGS="-e workshop_name=blue", which makes it again.']
    """
    return each_text(said, lambda text: _by_name(_with_room(text, room)))


def each_text(said: Any, change: Callable[[str], str]) -> Any:
    """Give sentences, or data with sentences in it, with each of them changed.

    >>> each_text({"next": ["a"], "seconds": 1}, str.upper)
    {'next': ['A'], 'seconds': 1}
    """
    if isinstance(said, str):
        return change(said)
    if isinstance(said, Mapping):
        return {key: each_text(value, change) for key, value in said.items()}
    if isinstance(said, (list, tuple)):
        return [each_text(each, change) for each in said]
    return said


def in_rooms(said: str, inventory: str) -> str:
    """Give a sentence about one room for several: with the command that plays a playbook in them.

    >>> in_rooms("Nobody is in this room: type ansible-playbook playbooks/class.yml -e students=2.", "rooms.yml")
    'Nobody is in these rooms: type ansible-playbook -i rooms.yml playbooks/rooms.yml -e playbook=class -e students=2.'
    """
    played = f"ansible-playbook -i {inventory} playbooks/rooms.yml -e playbook="
    return _IN_ROOMS.sub(lambda found: played + found[1], said.replace(" in this room", " in these rooms"))


def _with_room(text: str, room: str | Callable[[], str] | None) -> str:
    if not (_PLAYBOOK.search(text) or _MAKE.search(text)):
        return text
    asked = _About.room if room is None else room
    name = asked() if callable(asked) else asked
    if not name:
        return text
    option = f"-e workshop_name={name}"

    def played(found: re.Match[str]) -> str:
        return found[0] if _NAMED.match(text, found.end()) else f"{found[0]} {option}"

    text = _PLAYBOOK.sub(played, text)
    return re.sub(rf"({_MAKE.pattern})( ARGS=[\"'])?", lambda found: _made(found, option), text)


def _made(found: re.Match[str], option: str) -> str:
    return f"{found[1]}{found[2]}{option} " if found[2] else f'{found[1]} ARGS="{option}"'


def _by_name(text: str) -> str:
    """Give a sentence with playbooks by name, and the inventory, in its commands, if that is how one was typed."""
    if not any(str(each).startswith(NAME) for each in context.CLIARGS.get("args") or ()):
        return text
    sources = [str(each) for each in context.CLIARGS.get("inventory") or ()]
    typed = "" if sources == constants.DEFAULT_HOST_LIST else "".join(f"-i {each} " for each in sources)

    def played(found: re.Match[str]) -> str:
        return f"ansible-playbook {found[1] or typed}{NAME}{found[2]}"

    def made(found: re.Match[str]) -> str:
        options = f" {found[3]}" if found[3] else ""
        return f"ansible-playbook {'' if ' -i ' in options else typed}{NAME}{_OF_MAKE[found[1]]}{options}"

    return _MADE.sub(made, _FILE.sub(played, text))
