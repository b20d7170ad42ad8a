# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How ansible-playbook was called: what would leave a part of a play out, or give it another meaning, is refused.

Ansible itself ends such a run with exit code 0, though nothing, or half, was done.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

WHOLE = "the playbooks have no tags, each is one piece"
# Tags that choose tasks of a playbook without tags: `always` alone is in ours.
CHOOSING_TAGS = {"all", "always", "tagged", "untagged"}
CURE = "Leave it out: what is done already is not done again."


class Setting(NamedTuple):
    """One of Ansible's own settings.

    Attributes:
        value: what holds.
        source: who says so, as Ansible's configuration tells it: "default", "env: NAME" or a file.
    """

    value: Any
    source: str


# Ansible's settings (`ansible-config list`) that the playbooks rely on, with what they may be and why.
RELIED_ON: dict[str, tuple[tuple[Any, ...], str]] = {
    "DEFAULT_HASH_BEHAVIOUR": (("replace",), "a setting that is given replaces the default"),
    "DEFAULT_STRATEGY": (("linear", "ansible.builtin.linear"), "nodes go step by step together"),
    "TASK_TIMEOUT": ((0,), "a task may build for half an hour, and ends by its own deadline"),
}


def problems(options: Mapping[str, Any], settings: Mapping[str, Setting]) -> list[str]:
    """Give a sentence for each thing that a playbook cannot be played with.

    Args:
        options: ansible-playbook's own, as `ansible.context.CLIARGS` has them.
        settings: those of RELIED_ON.
    """
    found = []
    if limit := options.get("subset"):
        found.append(f"--limit {limit} would leave out hosts, and a room's playbooks need all of them. {CURE}")
    if task := options.get("start_at_task"):
        found.append(f"--start-at-task {task!r} would leave out what that task builds on. {CURE}")
    if options.get("step"):
        found.append(f"--step would leave out tasks that others build on. {CURE} --check shows what would be done.")
    if (tags := tuple(options.get("tags") or ("all",))) != ("all",):
        found.append(f"--tags {','.join(tags)} would do nothing: {WHOLE}. {CURE}")
    if skipped := sorted(CHOOSING_TAGS.intersection(options.get("skip_tags") or ())):
        found.append(f"--skip-tags {','.join(skipped)} would leave out everything, or half: {WHOLE}. {CURE}")
    if options.get("connection") == "local":
        found.append(
            "-c local (or ANSIBLE_TRANSPORT) would make this machine each of the nodes: name the connection of each "
            "host in the inventory (ansible_connection)."
        )
    for name, (allowed, why) in RELIED_ON.items():
        value, source = settings[name]
        if value not in allowed:
            found.append(
                f"Ansible's {name} is {value!r} ({source}), but must be {allowed[0]!r}, since {why}: unset it."
            )
    return found


def only_shows(options: Mapping[str, Any]) -> bool:
    """Tell whether a command reads playbooks and plays nothing: --syntax-check and the lists."""
    return any(options.get(name) for name in ("syntax", "listhosts", "listtasks", "listtags"))


def homeless(environment: Mapping[str, str]) -> list[str]:
    """Give a sentence if HOME is empty, which would put rooms and cache into the root directory.

    >>> homeless({"HOME": ""})
    ["HOME is empty, and rooms and the bundle's cache are below it: unset it, or type HOME=/root before the command."]
    """
    if environment.get("HOME") != "":
        return []
    return [
        "HOME is empty, and rooms and the bundle's cache are below it: unset it, or type HOME=/root before the command."
    ]


def two_copies(playbooks: Path, collection: Path) -> list[str]:
    """Give a sentence if a playbook of one copy of the collection would be played with the roles of another one.

    Args:
        playbooks: where the playbook that was named is.
        collection: the copy that Ansible takes roles and plugins from, without symbolic links.
    """
    for directory in (playbooks, playbooks.parent):
        if (directory / "roles" / "room").is_dir() and directory.resolve() != collection:
            return [
                f"The playbook is in {directory}, but Ansible would take its roles from {collection}: type "
                f"{directory}/.venv/bin/ansible-playbook, or unset ANSIBLE_COLLECTIONS_PATH."
            ]
    return []
