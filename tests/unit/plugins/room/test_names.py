"""A name that nothing reads is told, with the one that was meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.splitter import parse_kv

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.typed import Typed
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.names import (
    ARGUMENTS,
    FORGETTING,
    OF_PLAYBOOKS,
    READ_BY,
    astray,
    of_one_run,
    role_options,
    spelled_out,
    unknown_given,
    unknown_in_inventory,
    unread,
    without_value,
)

ROOT = Path(__file__).resolve().parents[4]
DEFAULTS = {
    name for path in (ROOT / "roles/room/defaults/main").glob("*.yml") for name in yaml.safe_load(path.read_text())
}
OPTIONS = role_options(ROOT / "roles")
KNOWN = {*DEFAULTS, *OPTIONS}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("sevice", "service"),
        ("Service", "service"),
        ("wieght", "weight"),
        ("versions", "version"),
        ("workshop_front_nodeport", "workshop_front_node_port"),
        ("front_node_port", "workshop_front_node_port"),
        ("name", "workshop_name"),
        ("namespce", "workshop_namespace"),
        ("registry_config_fil", "registry_config_file"),
        ("workshop_pod_subnets", "workshop_pod_subnet"),
    ],
)
def test_a_mistyped_name_is_told_with_the_one_that_was_meant(typed: str, meant: str) -> None:
    assert unknown_given([typed], KNOWN, ()) == [f"{typed} is not a setting of this playbook: did you mean {meant}?"]


@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_argument_with_nothing_is_told_since_without_it_another_thing_is_done(name: str) -> None:
    assert without_value({name: None, "workshop_kit": None}) == [
        f"{name} was given without a value (null): type -e {name}=VALUE, or leave it out."
    ]
    assert without_value({name: ""}) == []


@pytest.mark.parametrize("name", ["colour", "x", "aleph"])
def test_a_name_like_no_other_is_told_with_what_there_is(name: str) -> None:
    (said,) = unknown_given([name], KNOWN, ())
    assert said.startswith(f"{name} is not a setting of this playbook: docs/settings.md has them")
    assert "service" in said


@pytest.mark.parametrize(
    "name",
    [
        *("service", "weight", "version", "stage", "student", "students", "takeover", "measure", "purge"),
        *("workshop_name", "workshop_apps", "registry_config_file", "mesh_bin_dir", "bundle_update_lock"),
        *("ansible_user", "ansible_ssh_private_key_file", "awx_job_id"),
    ],
)
def test_what_is_read_may_be_given(name: str) -> None:
    assert unknown_given([name], KNOWN, ()) == []


@pytest.mark.parametrize("name", ["ansible_connection", "ansible_host", "ansible_become"])
def test_what_belongs_to_one_host_is_not_given_to_all(name: str) -> None:
    (said,) = unknown_given([name], KNOWN, ())
    assert said.startswith(f"{name}, given with -e, would hold for this machine and for every node alike")


def test_a_variable_of_the_users_own_inventory_may_be_given() -> None:
    assert unknown_given(["colour"], KNOWN, {"colour"}) == []


def test_every_mistake_is_told_at_once() -> None:
    assert len(unknown_given(["sevice", "weigth"], KNOWN, ())) == 2


def test_an_inventorys_mistyped_setting_is_told_once() -> None:
    names = {"localhost": {"workshop_nam", "colour"}, "control-plane": {"workshop_nam"}}
    assert unknown_in_inventory(names, DEFAULTS) == [
        "workshop_nam, which the inventory has for localhost, is no setting: did you mean workshop_name?"
    ]


def test_short_names_that_roles_read_are_known() -> None:
    """A role takes NAME from the command line by the lookup `argument` in its defaults."""
    text = "\n".join(path.read_text() for path in ROOT.glob("roles/*/defaults/*.yml"))
    read = set(re.findall(r"istio_games\.workshop\.argument', '([a-z]+)'", text))
    assert read
    assert read <= set(ARGUMENTS)


@pytest.mark.parametrize("playbook", sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml")))
def test_a_playbook_for_the_whole_room_is_not_played_for_a_part_of_it(playbook: str) -> None:
    for name, readers in READ_BY.items():
        said = unread([name], [playbook])
        assert (
            said == [] if playbook in readers else said[0].startswith(f"{playbook}.yml takes no {name}: leave it out")
        )


@pytest.mark.parametrize("name", [*of_one_run(OPTIONS), *sorted(OF_PLAYBOOKS)])
def test_what_is_of_one_run_is_typed_by_its_short_name_and_kept_by_no_room(name: str) -> None:
    """A room that kept `student_named` would do to one student whatever is done from then on."""
    assert name in OPTIONS
    (sentence,) = spelled_out([name], ["reset"], OPTIONS)
    assert sentence.startswith(f"{name} is what a ")
    if named := re.search(r"type -e (\w+)=", sentence):
        assert named[1] in ARGUMENTS
    assert spelled_out([name], [], OPTIONS) == [], "a playbook of the user's own may hand it to a role"
    assert name not in Typed(DataLoader(), {})._lasting


def test_every_option_that_an_argument_is_for_is_known() -> None:
    text = "\n".join(path.read_text() for path in (ROOT / "roles").glob("*/defaults/**/*.yml"))
    read = re.findall(r"^(\w+): \"\{\{ lookup\('istio_games\.workshop\.argument'", text, re.MULTILINE)
    assert {"student_named", "traffic_student"} <= {*read}
    assert {*read} == of_one_run(OPTIONS).keys()


def reached(playbook: str) -> Iterator[str]:
    """Give the text of a playbook, of those that it imports, and of the roles in them."""
    text = (ROOT / f"playbooks/{playbook}.yml").read_text()
    yield text
    for name in re.findall(r"import_playbook: (\w+)\.yml", text):
        yield from reached(name)
    for role in set(re.findall(r"name: istio_games\.workshop\.(\w+)", text)):
        for path in (ROOT / "roles" / role).glob("[dtv]*/**/*.yml"):  # defaults, tasks, vars
            yield path.read_text()


@pytest.mark.parametrize(
    ("name", "playbook"), [(name, each) for name, readers in READ_BY.items() for each in sorted(readers)]
)
def test_who_is_said_to_read_an_argument_does(name: str, playbook: str) -> None:
    reads = rf"'istio_games\.workshop\.argument', '{name}'|\b{name}\b" if "_" in name else rf"argument', '{name}'"
    assert any(re.search(reads, text) for text in reached(playbook))


@pytest.mark.parametrize(
    ("playbook", "name"),
    [
        *[("dockercoins", "workshop_app"), ("class", "workshop_app"), ("suspend", "workshop_app")],
        *[("cluster", "workshop_app"), ("goto", "takeover"), ("verify", "takeover"), ("class", "service")],
        *[("site", "kit_file"), ("bundle", "kit_push"), ("bundle_verify", "kit_suites"), ("rollout", "kit_sign_key")],
        *[("verify", "version"), ("verify", "measure"), ("deploy", "version"), ("promote", "stage")],
        *[("status", "students"), ("site", "students"), ("reset", "service"), ("rollout", "purge")],
    ],
)
def test_what_would_have_no_effect_is_refused(playbook: str, name: str) -> None:
    (sentence,) = unread([name], [playbook])
    assert sentence.startswith(f"{playbook}.yml takes no {name}: leave it out, or name a playbook that does (")


def test_who_takes_a_student_is_there() -> None:
    assert {name for readers in READ_BY.values() for name in readers} <= {
        path.stem for path in (ROOT / "playbooks").glob("*.yml")
    }
    assert ARGUMENTS.keys() < READ_BY.keys() <= {*ARGUMENTS, *KNOWN}
    assert unread(["student", "students"], []) == [], "a playbook of the user's own may have one of its own"


def test_every_argument_is_in_the_documentation() -> None:
    text = (ROOT / "docs/settings.md").read_text()
    assert [name for name in ARGUMENTS if not re.search(rf"\b{name}\b", text)] == []


def imported(playbook: str) -> set[str]:
    """Name the playbooks that one plays, itself too."""
    plays = yaml.safe_load((ROOT / "playbooks" / f"{playbook}.yml").read_text())
    others = [play["ansible.builtin.import_playbook"] for play in plays if "ansible.builtin.import_playbook" in play]
    return {playbook}.union(*(imported(other.removesuffix(".yml")) for other in others))


def test_what_does_not_remember_says_so() -> None:
    makers = re.compile(r"room_purpose: (make|change)")
    paths = {path.stem: path.read_text() for path in (ROOT / "playbooks").glob("*.yml") if path.stem != "preflight"}
    playbooks = {name for name, text in paths.items() if makers.search(text)}
    assert {name for name in playbooks if "remember" not in imported(name)} == FORGETTING
    assert "remember" in imported("reset"), "but for students"


@pytest.mark.parametrize(
    ("typed", "lost"),
    [("student=anna, ben", "ben"), ("students=anna ,ben", ",ben"), ("anna", "anna"), ("a=b c d", "c d")],
)
def test_what_stands_behind_a_blank_is_told(typed: str, lost: str) -> None:
    given = parse_kv(typed)
    (said,) = astray(given)
    assert said.startswith(f"'{lost}', given with -e, is no NAME=VALUE")
    assert unknown_given(given.keys() - {"a"}, KNOWN, ()) == []


@pytest.mark.parametrize("typed", ["student=anna,ben", "student='anna, ben'", ""])
def test_what_is_quoted_or_has_no_blank_is_whole(typed: str) -> None:
    assert astray(parse_kv(typed)) == []
