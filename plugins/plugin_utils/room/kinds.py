# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is given for a role's option is of the kind that its argument spec says, or is refused before anything is done.

Roles judge their options themselves, when it is their turn: that may be half an hour later.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import bounds, settings
from ansible_collections.istio_games.workshop.plugins.plugin_utils.terminal import short

# Short names that are typed with one command, and say yes or no.
YES_OR_NO = ("measure", "purge", "takeover")
APPS, SERVICES = "workshop_apps", "app_services"
# Settings that are more than text; settings.py judges the others.
MAPPINGS = ("workshop_images", "workshop_node_ports")
# What a kind is for people, and an example.
_WORDS: dict[str, tuple[str, Any]] = {
    "bool": ("true or false", "true"),
    "int": ("a whole number", "3"),
    "float": ("a number", "0.5"),
    "list": ("a list", "a,b"),
    "dict": ("a mapping", {"key": "value"}),
    "str": ("text", "text"),
    "path": ("a path", "/srv/file"),
}
# The default of an option that stands for a setting.
_SETTING = re.compile(r"\{\{ (workshop_[a-z_]+) \}\}")
# Options that stand for one, and have no default in their argument specs.
_STAND_FOR = {"cluster_max_pods": "workshop_max_pods", "cluster_pod_pids_limit": "workshop_pod_threads"}
# A version is a tag of a registry's (distribution specification), and a service's name a part of DNS names.
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
NAME = re.compile(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?")


def problems(given: Mapping[str, Any], options: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Give a sentence for each value that cannot be what its option takes.

    Args:
        given: values by name, as they were given; what is a template is not judged.
        options: the roles' options, as their argument specs have them.
    """
    kinds = [*((name, "bool") for name in YES_OR_NO), *((name, "dict") for name in MAPPINGS)]
    known = {**options, **{name: {"type": kind} for name, kind in kinds}}
    found = [
        sentence
        for name in sorted(given.keys() & known.keys())
        if (sentence := _problem(name, given[name], known[name]))
    ]
    if found or APPS not in given:
        return found
    return list(_apps(_plain(given[APPS]), options))


def _problem(name: str, given: Any, option: Mapping[str, Any]) -> str:
    """Judge one value; empty when it is good."""
    value = _plain(given)
    if value is None:
        return "" if given is not None else _out_of_bounds(name, None, option)
    faults, beyond = _faults(name, value, option), _out_of_bounds(name, value, option)
    if beyond or not faults:
        return beyond
    kind = str(option.get("type", "str"))
    if "choices" in option:
        choices = ", ".join(map(str, option["choices"]))
        return _sentence(name, value, f"one of: {choices}", str(option["choices"][0]))
    # What else such a list may be has no short example.
    if (isinstance(value, (list, Mapping)) and kind in ("list", "dict")) or option.get("elements", "str") != "str":
        return f"{name} cannot be used: {faults[0]}"
    return _sentence(name, value, *_WORDS.get(kind, (f"of the type {kind}", "...")))


def _out_of_bounds(name: str, value: Any, option: Mapping[str, Any]) -> str:
    """Judge a role's own option by its bounds; one that stands for a setting, as that is judged."""
    if said := bounds.broken(name, value):
        return _sentence(name, value, *said)
    setting = _setting(name, option)
    allowed = settings.whole(setting, value) if setting else None
    return _sentence(name, value, allowed, settings.WHOLE[setting][-1]) if allowed else ""


def _setting(name: str, option: Mapping[str, Any]) -> str:
    """Name the setting of settings.WHOLE that a role's own option stands for; empty if it is none."""
    found = _SETTING.fullmatch(str(option.get("default", "")))
    setting = found[1] if found else _STAND_FOR.get(name, "")
    return setting if setting in settings.WHOLE else ""


def _sentence(name: str, value: Any, allowed: str, example: Any) -> str:
    return f"{name} is {short(value)}, but must be {allowed}: for example -e {typed(name, example)}."


def typed(name: str, value: Any) -> str:
    """Write a value as somebody types it behind -e: NAME=VALUE gives text, and ends with a blank.

    >>> print(typed("a", "1"), typed("a", "1 2"), typed("a", {"b": 1}))
    a=1 "a='1 2'" '{"a": {"b": 1}}'
    """
    if isinstance(value, str):
        return f"\"{name}='{value}'\"" if " " in value else f"{name}={value}"
    return f"'{json.dumps({name: value})}'"


def _faults(name: str, value: Any, option: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with a value, by its argument spec."""
    if _is_mistaken(value, str(option.get("type", "str"))):
        return [f"{name} is of another kind."]
    spec = {name: {key: option[key] for key in ("type", "elements", "choices", "options") if key in option}}
    try:
        said = ArgumentSpecValidator(spec).validate({name: value}).error_messages
    except OverflowError:  # Ansible makes a whole number of what is infinite
        return [f"{name} is no number."]
    return [" ".join(sentence.split()).rstrip(".") + "." for sentence in said]


def _is_mistaken(value: Any, kind: str) -> bool:
    """Tell whether Ansible takes a value for one of a kind that roles cannot use as such: they get it as it is."""
    return (kind in ("int", "float") and isinstance(value, bool)) or (kind == "dict" and isinstance(value, str))


def _plain(value: Any) -> Any:
    """Give a value without its templates, which nobody can judge yet."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, str) and "{{" in value else value


def _apps(apps: Any, options: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Judge applications, each a mapping with its namespace and its services."""
    if not isinstance(apps, Mapping) or not apps:
        yield f"{APPS} must be applications by their names (roles/room/defaults/main/apps.yml shows two)."
        return
    for name, app in apps.items():
        lacks = [key for key in ("namespace", "services") if key not in app] if isinstance(app, Mapping) else ["all"]
        if lacks or not isinstance(app.get("services"), list):
            yield (
                f"{APPS}.{name} must have a namespace and a list of services (roles/room/defaults/main/apps.yml shows "
                "two applications)."
            )
            continue
        faults = _faults("services", app["services"], options[SERVICES])
        if faults:
            yield f"{APPS}.{name} cannot be used: {faults[0]}"
            continue
        yield from (f"{APPS}.{name}: {sentence}" for sentence in _services(app["services"]))


def _services(services: list[Any]) -> Iterator[str]:
    """Judge what an argument spec cannot say of an application's services."""
    named = [each["name"] for each in services]
    for twice in sorted({str(name) for name in named if named.count(name) > 1}):
        yield f"the service {twice} is there twice."
    for service in services:
        name, build = service["name"], service.get("build") or {}
        if name is not None and not NAME.fullmatch(str(name)):
            yield (
                f"the service's name {name!r} must be 1 to 40 lower-case letters, digits and hyphens that begin with a "
                "letter and end with no hyphen."
            )
        built = [str(version["tag"]) for version in build.get("versions") or []]
        for tag in built:
            if not TAG.fullmatch(tag):
                yield f"{name}'s version {tag!r} must be 1 to 128 letters, digits and . _ -, as a registry's tag is."
        deployed = [*(service.get("versions") or []), *filter(None, (service.get("candidate"), service.get("tag")))]
        for tag in dict.fromkeys(map(str, deployed)):
            if build and tag not in built:
                yield f"{name} is to run {tag}, which is not among the versions that are built ({', '.join(built)})."
        if service.get("candidate") and not {"versions", "port", "callers"} <= service.keys():
            yield f"{name} has a candidate, so that it needs versions, a port and callers, too."
        if not {"build", "image"} & service.keys():
            yield f"{name} has neither a build nor an image."
