"""What the documents say of playbooks and settings is what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import bounds, places, settings
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.names import ARGUMENTS

ROOT = Path(__file__).resolve().parents[2]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Others import them, nobody types them.
INTERNAL = {"ownership", "preflight", "remember"}


def said(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def rows(page: str) -> list[list[str]]:
    """The rows of a page's tables, without headings: its cells."""
    lines = [line.strip("| ").split(" | ") for line in said(page).splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line] for line in lines]


def imported(playbook: Path) -> list[str]:
    return [
        play["ansible.builtin.import_playbook"]
        for play in yaml.safe_load(playbook.read_text())
        if "ansible.builtin.import_playbook" in play
    ]


def test_the_first_playbooks_are_those_of_site_in_order() -> None:
    made = [name for name in imported(ROOT / "playbooks/site.yml") if Path(name).stem not in INTERNAL]
    assert "the first eight of these in order" in said("playbooks.md")
    assert len(made) == 8
    assert [re.findall(r"`playbooks/(\w+\.yml)`", row[0])[0] for row in rows("playbooks.md")][:8] == made


def test_every_playbook_is_described() -> None:
    there = {path.stem for path in (ROOT / "playbooks").glob("*.yml")} - INTERNAL - {"site"}
    described = set(re.findall(r"(?:playbooks/|playbook )(\w+)\.yml", said("playbooks.md") + said("stages.md")))
    assert there == described - {"NAME"}


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_playbook_that_is_named_is_there(page: Path) -> None:
    for name in re.findall(r"playbooks/(\w+)\.yml", page.read_text()):
        assert (ROOT / f"playbooks/{name}.yml").is_file() or name == "NAME", name


def test_the_playbooks_that_remember_settings_are_all_said() -> None:
    sentence = re.search(r"the playbooks that it consists of, (.*?) remember it from then on", said("settings.md"))
    assert sentence
    remember = {path.name for path in (ROOT / "playbooks").glob("*.yml") if "remember.yml" in imported(path)}
    assert {*re.findall(r"`(\w+\.yml)`", sentence[1])} == remember - {*imported(ROOT / "playbooks/site.yml")}


def test_the_names_of_one_run_are_all_said() -> None:
    sentence = re.search(r"Of one run alone are (.*?)\. One of", said("settings.md"), re.DOTALL)
    assert sentence
    assert set(re.findall(r"`(\w+)`", sentence[1])) - {"false", "status"} == ARGUMENTS.keys()


def defaults() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in [*(ROOT / "roles").glob("*/defaults/main.yml"), *(ROOT / "roles").glob("*/defaults/main/*.yml")]:
        found |= yaml.safe_load(path.read_text())
    return found


@pytest.mark.parametrize("row", rows("settings.md"), ids=lambda row: row[0])
def test_a_settings_default_is_as_the_table_says(row: list[str]) -> None:
    there = defaults()
    names, values = re.findall(r"`(\w+)`", row[0]), re.findall(r"`([^`]*)`", row[1]) if len(row) > 2 else []
    assert names
    for name, value in zip(names, values or [""] * len(names), strict=True):
        default = str(there[name]).lower() if isinstance(there[name], bool) else str(there[name])
        if "{{" not in default:
            assert default == value, name


@pytest.mark.parametrize("name", settings.WHOLE)
def test_a_settings_bounds_are_as_the_table_says(name: str) -> None:
    (meaning,) = [row[-1] for row in rows("settings.md") if row[0] == f"`{name}`"]
    assert "({} to {})".format(*settings.WHOLE[name]) in meaning


def test_a_second_room_of_a_machine_has_every_port_of_its_own() -> None:
    (block,) = re.findall(r"```yaml\n(workshop_name: .*?)```", said("instructor.md"), re.DOTALL)
    given, there = yaml.safe_load(block), defaults()
    ports = {
        name for name, value in there.items() if re.fullmatch(r"workshop_\w+_port", name) and isinstance(value, int)
    }
    assert "workshop_door_node_port" in ports
    assert {name for name in given if name.endswith("_port")} == ports
    assert not [name for name in given if given[name] == there[name]]


def test_every_field_of_a_class_is_described() -> None:
    page = said("status.md").partition("## A class\n")[2].partition("\n## ")[0]
    fields = [
        name
        for line in page.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`(\w+)`", line.split("|")[1])
    ]
    assert sorted(fields) == sorted(places.of_student("anna", "/s").as_data())


def test_the_options_of_a_class_are_as_the_table_says() -> None:
    rows = re.findall(r"^\| `(student_\w+)` \| (.*?) \| (.*?) \|$", said("class.md"), re.MULTILINE)
    there = defaults()
    assert {*bounds.CHECKS, "student_timeout"} == {name for name, _, _ in rows}
    for name, default, meaning in rows:
        if default.startswith("`"):
            assert default == f"`{there[name]}`", name
        least, most = [*re.findall(r"\(([0-9]\S*) to ([0-9]\w*)\)", meaning), ("", "")][0]
        for value in filter(None, (least, most)):
            assert bounds.broken(name, value) is None, (name, value)
