# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The names that may be given with -e: a mistyped one is told, because Ansible takes any."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.istio_games.workshop.plugins.plugin_utils.terminal import short

# What a user says of one run: it is no setting of the room.
ARGUMENTS = {
    "archive": "the file that restore.yml restores",
    "measure": "whether status.yml measures the splits (true)",
    "playbook": "the playbook that rooms.yml plays in each room",
    "purge": "whether teardown.yml removes the bundle's cache too (false)",
    "rooms_at_once": "how many rooms rooms.yml plays in at a time (8)",
    "service": "the services that a stage takes, with commas between (all)",
    "stage": "the stage that stage.yml goes to",
    "student": "the students whose places are meant, with commas between, or all",
    "students": "how many students a class has",
    "takeover": "whether a stage overwrites routing that somebody else has made or changed (false)",
    "version": "the new version of a stage",
    "weight": "the new version's share of the requests, 0 to 100 percent",
}
_STAGES = ("baseline", "dark_launch", "mirror", "promote", "rollback", "rollout", "goto", "stage")
# Which playbooks read what of a run: one that does not would do to the whole room what was meant for one student or
# service, or something else than was asked for.
READ_BY = {
    "archive": {"restore"},
    "measure": {"status"},
    "playbook": {"rooms"},
    "purge": {"teardown"},
    "rooms_at_once": {"rooms"},
    "service": {*_STAGES, "status", "verify"},
    "stage": {"goto", "stage"},
    "student": {
        *_STAGES,
        *("class", "remove", "reset", "resume", "suspend", "archive", "restore", "rooms", "status", "verify"),
    },
    "students": {"class", "plan", "rooms"},
    # goto.yml puts right whatever it finds.
    "takeover": {*_STAGES} - {"goto"},
    "version": {*_STAGES, "status"},
    "weight": {*_STAGES},
    # No room remembers it. dockercoins.yml says itself which application it makes, and a class has alephbeth.
    "workshop_app": {
        *_STAGES,
        *("preflight", "ownership", "site", "build", "mesh", "deploy", "expose", "door", "verify", "status", "reset"),
    },
    # Of one run that makes a bundle.
    **{name: {"bundle", "site"} for name in ("bundle_update_lock", "bundle_keep_go_caches", "bundle_prune")},
    # What is made is a kit, and none is used.
    **{name: {"export_kit"} for name in ("kit_file", "kit_push", "kit_sign_key", "kit_suites", "kit_debian_mirror")},
}
# Playbooks that make or change something, and remember nothing of what they were given; reset.yml for students.
FORGETTING = {"export_kit", "host_check", "plan", "remove", "resume", "suspend"}
# What playbooks say themselves, each another thing: with -e it would hold for all that a playbook does.
OF_PLAYBOOKS = {"student_work", "student_restored", "traffic_anew"}
# An option that is an argument of one run, unless an inventory or a playbook of the user's own says something else.
_ARGUMENT = re.compile(r"\{\{ lookup\('istio_games\.workshop\.argument', '(\w+)'")
# What AWX and molecule hand to every play; besides, Ansible's own.
OTHER_PROGRAMS = ("awx_", "molecule_", "tower_")
FOREIGN = ("ansible_", *OTHER_PROGRAMS)
# Where Ansible puts what stands in a -e and is no NAME=VALUE.
ASTRAY = "_raw_params"
# What an inventory says of one host.
OF_ONE_HOST = ("ansible_become", "ansible_connection", "ansible_host")
SETTING = "workshop_"


def role_options(roles: Path) -> dict[str, Mapping[str, Any]]:
    """Give every option in the argument specs of the roles in a directory, by its name."""
    found: dict[str, Mapping[str, Any]] = {}
    for path in sorted(roles.glob("*/meta/argument_specs.yml")):
        for entry in yaml.load(path.read_text(), yaml.CSafeLoader)["argument_specs"].values():
            found |= entry.get("options") or {}
    return found


def unknown_given(given: Collection[str], known: Collection[str], own: Collection[str]) -> list[str]:
    """Give a sentence for each name that was given with -e and that nothing reads, or that belongs to one host.

    Args:
        given: the names.
        known: the names of settings and of roles' options; ARGUMENTS are known as well.
        own: names that the user's inventory defines, which may be overridden.
    """
    allowed = {*known, *ARGUMENTS}
    unread = [
        f"{name} is not a setting of this playbook: {_meant(name, allowed)}"
        for name in sorted(given)
        if name not in allowed and name not in own and not name.startswith((*FOREIGN, ASTRAY))
    ]
    return unread + [
        f"{name}, given with -e, would hold for this machine and for every node alike: set it in the inventory."
        for name in OF_ONE_HOST
        if name in given
    ]


def astray(given: Mapping[str, Any]) -> list[str]:
    """Give a sentence if something that was given with -e is no NAME=VALUE: a blank ends a value.

    >>> astray({"student": "anna,", "_raw_params": "ben"})[0].partition(":")[0]
    "'ben', given with -e, is no NAME=VALUE"
    """
    if ASTRAY not in given:
        return []
    return [
        f"{short(str(given[ASTRAY]))}, given with -e, is no NAME=VALUE: a blank ends a value. Type names without "
        "blanks (-e student=anna,ben), and a value that has some in quotes of its own (-e \"NAME='...'\")."
    ]


def without_value(given: Mapping[str, Any]) -> list[str]:
    """Give a sentence for each argument that was given with -e, but with nothing: left out it would mean something.

    >>> without_value({"student": None, "weight": 50})
    ['student was given without a value (null): type -e student=VALUE, or leave it out.']
    """
    return [
        f"{name} was given without a value (null): type -e {name}=VALUE, or leave it out."
        for name in ARGUMENTS
        if name in given and given[name] is None
    ]


def of_one_run(options: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Give the options of roles that an argument of one run is for, each with that argument."""
    found = {name: _ARGUMENT.match(str(option.get("default", ""))) for name, option in options.items()}
    return {name: argument[1] for name, argument in found.items() if argument}


def spelled_out(
    given: Collection[str], playbooks: Collection[str], options: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Give a sentence for each option of a role that was given to a playbook of ours in the place of its argument.

    A playbook reads its arguments in several roles: what one of them is told alone would hold for a part of it, and
    what was meant for one student be done to the whole room.

    >>> option = {"default": "{{ lookup('istio_games.workshop.argument', 'student', default=none) }}"}
    >>> spelled_out(["student_named"], ["rollout"], {"student_named": option})
    ['student_named is what a role is told: type -e student=VALUE instead.']
    """
    if not playbooks:
        return []
    arguments = of_one_run(options)
    return [
        f"{name} is what a role is told: type -e {arguments[name]}=VALUE instead."
        for name in sorted(arguments.keys() & given)
    ] + [
        f"{name} is what a playbook says itself: leave it out, and name the playbook that does what you mean "
        "(docs/playbooks.md has them)."
        for name in sorted(OF_PLAYBOOKS.intersection(given))
    ]


def forgets(playbooks: Collection[str], given: Collection[str]) -> bool:
    """Tell whether what was given holds for this run alone, since none of these playbooks remembers it.

    >>> forgets(["plan"], []), forgets(["reset"], ["student"]), forgets(["reset"], []), forgets(["plan", "deploy"], [])
    (True, True, False, False)
    """
    students = {"reset"} if "student" in given else set()
    return bool(playbooks) and {*playbooks} <= FORGETTING | students


def unread(given: Collection[str], playbooks: Collection[str]) -> list[str]:
    """Give a sentence for each name of READ_BY that was given to a playbook of ours which would pass it over.

    Args:
        given: the names that were given with -e.
        playbooks: names of our playbooks, without their ending.

    >>> unread(["student"], ["teardown"])
    ... # doctest: +ELLIPSIS
    ['teardown.yml takes no student: leave it out, or name a playbook that does (archive, ...).']
    """
    return [
        f"{playbook}.yml takes no {name}: leave it out, or name a playbook that does ({', '.join(sorted(readers))})."
        for name, readers in READ_BY.items()
        if name in given
        for playbook in sorted(set(playbooks) - readers)
    ]


def unknown_in_inventory(names: Mapping[str, Collection[str]], known: Collection[str]) -> list[str]:
    """Give a sentence for each `workshop_*` variable of an inventory that nothing reads.

    Args:
        names: the variables' names by host.
        known: the settings' names.
    """
    hosts: dict[str, str] = {}
    for host, variables in names.items():
        for name in variables:
            if name.startswith(SETTING) and name not in known:
                hosts.setdefault(name, host)
    return [
        f"{name}, which the inventory has for {host}, is no setting: {_meant(name, known)}"
        for name, host in sorted(hosts.items())
    ]


def _meant(name: str, known: Collection[str]) -> str:
    for guess in _closest(name, known):
        return f"did you mean {guess}?"
    return (
        f"docs/settings.md has them, {', '.join(sorted(ARGUMENTS))} belong to one run, and a variable of your "
        "own must be in your inventory as well."
    )


def _closest(name: str, known: Collection[str]) -> Iterator[str]:
    """Give the name that looks most like this one, with or without `workshop_`."""
    short = {full.removeprefix(SETTING): full for full in sorted(known)}
    if name in short:
        yield short[name]
    yield from difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.8)
    yield from (short[near] for near in difflib.get_close_matches(name, short, n=1, cutoff=0.75))
    yield from difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.7)
