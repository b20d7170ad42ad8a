"""A role's argument specs are the only schema of its variables: its defaults and its callers agree with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").glob("*") if (path / "tasks").is_dir())
PLAYBOOKS = sorted([*ROOT.glob("*.yml"), *(ROOT / "playbooks").glob("*.yml")])
COLLECTION = "istio_games.workshop."
PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "path": (str,),
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "list": (list,),
    "dict": (dict,),
    "raw": (object,),
}


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text()) if path.is_file() else None


def defaults(role: str) -> dict[str, Any]:
    return load(ROOT / "roles" / role / "defaults" / "main.yml") or {}


def entry_points(role: str) -> dict[str, dict[str, Any]]:
    specs = load(ROOT / "roles" / role / "meta" / "argument_specs.yml") or {}
    return {name: spec.get("options") or {} for name, spec in specs.get("argument_specs", {}).items()}


def all_options(role: str) -> dict[str, dict[str, Any]]:
    return {name: option for options in entry_points(role).values() for name, option in options.items()}


def is_computed(value: Any) -> bool:
    """Whether Ansible makes the value from others, so that its type is not known here."""
    return isinstance(value, str) and "{{" in value


def tasks(node: Any) -> Iterator[dict[str, Any]]:
    """Every task of a play or task file, also inside blocks."""
    if isinstance(node, list):
        for item in node:
            yield from tasks(item)
    elif isinstance(node, dict):
        yield node
        for key in ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks", "handlers"):
            yield from tasks(node.get(key))


def role_calls(path: Path) -> Iterator[tuple[str, str]]:
    """Role and entry point of every use of a role in a playbook or a task file."""
    for item in tasks(load(path)):
        for used in item.get("roles") or []:
            yield (used, "main") if isinstance(used, str) else (used.get("role") or used["name"], "main")
        for action in ("ansible.builtin.import_role", "ansible.builtin.include_role"):
            if action in item:
                yield item[action]["name"], Path(item[action].get("tasks_from", "main")).stem


def all_role_calls() -> list[tuple[Path, str, str]]:
    files = [*PLAYBOOKS, *ROOT.glob("roles/*/tasks/**/*.yml"), *ROOT.glob("molecule/*/*.yml")]
    return [(path, role, entry) for path in files for role, entry in role_calls(path)]


@pytest.mark.parametrize("role", ROLES)
def test_every_entry_point_has_its_tasks_and_a_description(role: str) -> None:
    specs = load(ROOT / "roles" / role / "meta" / "argument_specs.yml")
    assert specs, f"roles/{role}/meta/argument_specs.yml is missing"
    assert "main" in specs["argument_specs"] or not (ROOT / "roles" / role / "tasks" / "main.yml").exists()
    for name, spec in specs["argument_specs"].items():
        assert (ROOT / "roles" / role / "tasks" / f"{name}.yml").is_file()
        assert spec.get("short_description"), f"{name} has no short_description"


@pytest.mark.parametrize("role", ROLES)
def test_options_and_defaults_are_the_same_variables(role: str) -> None:
    optional = {name for name, option in all_options(role).items() if not option.get("required")}
    with_default_in_spec_alone = {
        name for name, option in all_options(role).items() if "default" in option and name not in defaults(role)
    }
    assert set(defaults(role)) == optional - with_default_in_spec_alone


@pytest.mark.parametrize("role", ROLES)
def test_main_knows_every_option_that_has_a_default(role: str) -> None:
    entries = entry_points(role)
    if "main" in entries:
        assert set(defaults(role)) <= set(entries["main"])


@pytest.mark.parametrize("role", ROLES)
def test_variables_are_prefixed_with_the_role(role: str) -> None:
    public = [*defaults(role), *all_options(role)]
    assert [name for name in public if not name.startswith(f"{role}_")] == []
    internal = [name for path in (ROOT / "roles" / role / "vars").glob("*.yml") for name in load(path) or {}]
    assert [name for name in internal if not name.startswith(f"__{role}_")] == []


@pytest.mark.parametrize("role", ROLES)
def test_options_say_their_type_and_meaning(role: str) -> None:
    for name, option in all_options(role).items():
        assert option.get("type") in PYTHON_TYPES, f"{name} has no known type"
        assert option.get("description"), f"{name} has no description"


@pytest.mark.parametrize("role", ROLES)
def test_defaults_fit_their_options(role: str) -> None:
    for name, value in defaults(role).items():
        option = all_options(role)[name]
        if is_computed(value):
            continue
        wanted = PYTHON_TYPES[option["type"]]
        assert isinstance(value, wanted), f"{name}: {value!r} is not of type {option['type']}"
        assert option["type"] == "bool" or not isinstance(value, bool) or wanted == (object,), f"{name}: {value!r}"
        assert value in option.get("choices", [value]), f"{name}: {value!r} is not one of its choices"
        assert option.get("default", value) == value, f"{name}: defaults/main.yml and argument_specs.yml differ"


def test_every_role_that_is_called_exists_with_its_entry_point() -> None:
    for path, role, entry in all_role_calls():
        if "{{" in role + entry:
            continue
        where = path.relative_to(ROOT)
        assert role.startswith(COLLECTION), f"{where}: {role} is not called by its full name"
        name = role.removeprefix(COLLECTION)
        assert name in ROLES, f"{where}: there is no role {role}"
        assert entry in entry_points(name), f"{where}: {role} has no argument spec for {entry}"


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_imported_playbooks_exist(path: Path) -> None:
    for play in load(path) if isinstance(load(path), list) else []:
        target = play.get("ansible.builtin.import_playbook")
        if target and not target.startswith(COLLECTION):
            assert (path.parent / target).is_file()
