# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said to type, said for the student's place and the room that it is about: one rule for every sentence."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.commands import each_text, with_room

# The playbooks that work on one place; any other is the room's.
_OF_A_PLACE = "baseline|dark_launch|goto|mirror|promote|reset|rollback|rollout|stage|status|verify"
# What brings the room's own application up; a student's is put right by this one.
_DEPLOY, _PUT_RIGHT = (
    re.compile(r"ansible-playbook (?:playbooks/)?deploy\.yml"),
    "ansible-playbook playbooks/goto.yml -e stage=baseline",
)
_COMMAND = re.compile(rf"(ansible-playbook (?:playbooks/)?(?:{_OF_A_PLACE})\.yml)(?!(?: -e [^ =]+=\S+)*? -e student=)")


def addressed(said: Any, student: str, room: str | Callable[[], str] | None = None) -> Any:
    """Give sentences, or data with sentences in it, with the student named in each command; "" is the room's own place.

    >>> addressed(["Next: ansible-playbook playbooks/mirror.yml -e service=aleph"], "anna")
    ['Next: ansible-playbook playbooks/mirror.yml -e student=anna -e service=aleph']
    >>> addressed("Install it with ansible-playbook playbooks/mesh.yml.", "anna")
    'Install it with ansible-playbook playbooks/mesh.yml.'
    >>> addressed("ansible-playbook playbooks/deploy.yml brings the application up.", "anna")
    'ansible-playbook playbooks/goto.yml -e student=anna -e stage=baseline brings the application up.'
    """
    return with_room(each_text(said, lambda text: _of_place(text, student)) if student else said, room)


def _of_place(text: str, student: str) -> str:
    return _COMMAND.sub(lambda found: f"{found[1]} -e student={student}", _DEPLOY.sub(_PUT_RIGHT, text))
