"""What differs from what a room remembers, what of that is refused, and what is remembered from then on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.changes import (
    FIXED,
    PUBLISHED,
    changes,
    kept,
    moved,
    refusals,
    remembered_names,
    to_remember,
    updated,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.rooms import Purpose, Record

DEFAULTS: dict[str, Any] = {
    "workshop_front_node_port": 30080,
    "workshop_load_rate": 5,
    "workshop_pod_subnet": "10.244.0.0/16",
    "workshop_kubeconfig": "",
    "workshop_node_address": "{{ groups['nodes'] | first }}",
}
PURPOSES: list[Purpose] = ["make", "change", "use", "remove"]


@pytest.mark.parametrize(
    ("given", "remembered", "shown"),
    [
        ({}, {}, []),
        ({"workshop_load_rate": "5"}, {}, []),
        ({"workshop_load_rate": "50"}, {}, ["workshop_load_rate 5 -> 50"]),
        ({"workshop_load_rate": "50"}, {"workshop_load_rate": 50}, []),
        ({"workshop_load_rate": 5}, {"workshop_load_rate": "50"}, ["workshop_load_rate 50 -> 5"]),
        ({"registry_config_file": "/c"}, {}, ["registry_config_file nothing -> /c"]),
        ({"registry_config_file": ""}, {}, []),
        ({"registry_config_file": ""}, {"registry_config_file": "/c"}, ["registry_config_file /c -> nothing"]),
        ({"workshop_node_address": "a"}, {}, ["workshop_node_address the default -> a"]),
        ({"image_build_args": {"A": "b"}}, {"image_build_args": {"A": "b"}}, []),
        (
            {"image_build_args": {"A": "c"}},
            {"image_build_args": {"A": "b"}},
            ["image_build_args {'A': 'b'} -> {'A': 'c'}"],
        ),
    ],
)
def test_a_difference_is_shown(given: dict[str, Any], remembered: dict[str, Any], shown: list[str]) -> None:
    assert [str(change) for change in changes(given, Record(remembered), DEFAULTS)] == shown


@pytest.mark.parametrize(
    ("given", "remembered", "inventory", "shown"),
    [
        # Made with the inventory's.
        ({}, {}, {"workshop_api_port": 7443}, []),
        ({"workshop_api_port": "7443"}, {}, {"workshop_api_port": 7443}, []),
        ({"workshop_api_port": "8443"}, {}, {"workshop_api_port": 7443}, ["workshop_api_port 7443 -> 8443"]),
        # Made with another one than the inventory's, which wins when -e is left out.
        ({"workshop_api_port": 8443}, {"workshop_api_port": 8443}, {"workshop_api_port": 7443}, []),
        ({}, {"workshop_api_port": 8443}, {"workshop_api_port": 7443}, ["workshop_api_port 8443 -> 7443"]),
    ],
)
def test_an_inventorys_value_is_the_rooms_unless_another_was_given(
    given: dict[str, Any], remembered: dict[str, Any], inventory: dict[str, Any], shown: list[str]
) -> None:
    assert [str(change) for change in changes(given, Record(remembered), DEFAULTS, inventory)] == shown


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("name", FIXED)
def test_what_a_cluster_is_made_with_stays(name: str, purpose: Purpose) -> None:
    (said,) = refusals(changes({name: "/other"}, Record({name: "/old"}), {}), purpose, "blue")
    assert said == (
        f"{name} is /other, but the room blue has /old and keeps it for as long as it is up: leave it out, or type "
        f'`make down ARGS="-e workshop_name=blue"` and then `make up ARGS="-e workshop_name=blue -e {name}=/other"`.'
    )


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("name", FIXED)
def test_a_room_that_has_only_its_bundle_takes_another_subnet(name: str, purpose: Purpose) -> None:
    assert refusals(changes({name: "/other"}, Record({name: "/old"}), {}), purpose, "blue", begun=False) == []


@pytest.mark.parametrize("name", [*PUBLISHED, "workshop_front_node_port"])
def test_what_the_node_publishes_is_changed_by_make_up_alone(name: str) -> None:
    found = changes({name: "2"}, Record({name: "1"}), {})
    assert refusals(found, "make", "blue", [name]) == []
    for purpose in PURPOSES[1:]:
        (said,) = refusals(found, purpose, "blue", [name])
        assert said == (
            f"{name} is 2, but the room blue has 1: leave it out, or change the room first with "
            f'`make up ARGS="-e workshop_name=blue -e {name}=2"`.'
        )


@pytest.mark.parametrize("purpose", PURPOSES)
def test_anything_else_holds(purpose: Purpose) -> None:
    assert refusals(changes({"workshop_load_rate": 50}, Record(), DEFAULTS), purpose, "blue") == []


def test_what_differs_from_the_defaults_is_remembered() -> None:
    record = Record({"workshop_load_rate": "50", "workshop_front_node_port": "30090"}, ("/hosts.yml",))
    given = {"workshop_load_rate": "5", "registry_config_file": "/c"}
    assert updated(record, given, DEFAULTS, None) == Record(
        {"workshop_front_node_port": "30090", "registry_config_file": "/c"}, ("/hosts.yml",)
    )
    assert updated(record, {}, DEFAULTS, ()).inventory == ()


@pytest.mark.parametrize(
    ("given", "inventory", "for_tests"),
    [
        ({}, {}, False),
        ({}, {"workshop_for_tests": True}, True),
        ({"workshop_for_tests": "true"}, {}, True),
        ({"workshop_for_tests": "False"}, {"workshop_for_tests": True}, False),
    ],
)
def test_a_room_for_tests_is_remembered_as_one(
    given: dict[str, Any], inventory: dict[str, Any], for_tests: bool
) -> None:
    record = updated(Record(), given, DEFAULTS | {"workshop_for_tests": False}, (), inventory)
    assert record.for_tests is for_tests
    assert updated(record, {}, DEFAULTS | {"workshop_for_tests": False}, (), inventory).for_tests is for_tests


def test_what_belongs_to_one_run_is_not_remembered() -> None:
    settings = ["workshop_name", "workshop_app", "workshop_load_rate", "workshop_cache_dir"]
    settings += ["workshop_supply", *(f"workshop_kit{name}" for name in ("", "_key", "_login", "_ca"))]
    options = ["traffic_weight", "app_versions", "teardown_purge", "bundle_update_lock", "registry_config_file"]
    remembered = {"workshop_load_rate", "workshop_cache_dir", "registry_config_file"}
    assert remembered_names(settings, options) == remembered


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("registry_password", "x"),
        ("image_build_token", "x"),
        ("image_build_args", {"HTTPS_PROXY": "http://me:pw@proxy:3128"}),
        ("image_build_args", {"PIP_INDEX_URL": "https://ghp_0123456789@pypi.example/simple"}),
        ("image_build_args", {"PIP_TOKEN": "abc"}),
        ("image_build_args", {"MORE": ["a", {"DB_PASSWORD": "abc"}]}),
    ],
)
def test_a_secret_is_named_and_not_remembered(name: str, value: Any) -> None:
    assert to_remember({name: value, "workshop_load_rate": 5}, [name, "workshop_load_rate"]) == (
        {"workshop_load_rate": 5},
        [name],
    )


def test_a_path_is_remembered_as_an_absolute_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    given = {"workshop_kubeconfig": "~/.kube/config", "mesh_bin_dir": "bin", "workshop_ca_bundle": ""}
    kept, _ = to_remember(given, list(given), ["mesh_bin_dir"])
    assert kept == {
        "workshop_kubeconfig": "/home/me/.kube/config",
        "mesh_bin_dir": f"{tmp_path}/bin",
        "workshop_ca_bundle": "",
    }


def test_another_inventory_is_shown_and_takes_no_room_down(tmp_path: Path) -> None:
    for name in ("a.yml", "b.yml"):
        (tmp_path / name).touch()
    one, other = (str(tmp_path / "a.yml"),), (str(tmp_path / "b.yml"),)
    assert moved(one, one) == []
    found = moved(one, other)
    assert [str(change) for change in moved((), one)] == [f"inventory the collection's own -> {tmp_path}/a.yml"]
    for purpose in PURPOSES[:3]:
        assert refusals(found, purpose, "blue") == []
    assert refusals(found, "remove", "blue") == [
        f"The room blue was made with the inventory {tmp_path}/a.yml, not with {tmp_path}/b.yml: leave -i out, "
        "so that all of its nodes are taken down."
    ]


def test_an_inventory_that_was_moved_is_the_same_one(tmp_path: Path) -> None:
    assert moved((str(tmp_path / "gone.yml"),), ("/new/hosts.yml",)) == []


PORT = "workshop_front_node_port"


@pytest.mark.parametrize(
    ("said_then", "says_now", "typed", "counts", "shown"),
    [
        # The inventory says what it said: what was given against it counts.
        (30180, 30180, {}, {PORT: "30280"}, []),
        (30180, "30180", {}, {PORT: "30280"}, []),
        (30180, 30180, {PORT: "30280"}, {PORT: "30280"}, []),
        (30180, 30180, {PORT: "30380"}, {PORT: "30280"}, [f"{PORT} 30280 -> 30380"]),
        # Somebody has edited it since, or it is another one: it counts, and that is shown.
        (30180, 30190, {}, {}, [f"{PORT} 30280 -> 30190"]),
        (None, 30180, {}, {}, [f"{PORT} 30280 -> 30180"]),
        (30180, None, {}, {}, []),
    ],
)
def test_what_was_given_against_the_inventory_counts_until_that_is_edited(
    said_then: Any, says_now: Any, typed: dict[str, Any], counts: dict[str, Any], shown: list[str]
) -> None:
    then, now = ({} if value is None else {PORT: value} for value in (said_then, says_now))
    record = updated(Record(), {PORT: "30280"}, DEFAULTS, ("/hosts.yml",), then)
    assert (record.settings, record.overridden) == ({PORT: "30280"}, then)
    assert kept(record, now) == counts
    assert [str(change) for change in changes(typed, record, DEFAULTS, now)] == shown
    # From the next run on, nothing differs.
    after = updated(record, typed, DEFAULTS, None, now)
    assert changes({}, after, DEFAULTS, now) == []


def test_what_the_inventory_says_itself_is_not_remembered() -> None:
    assert updated(Record(), {PORT: "30180"}, DEFAULTS, (), {PORT: 30180}) == Record()
    assert updated(Record(), {PORT: "30080"}, DEFAULTS, (), {PORT: 30180}).settings == {PORT: "30080"}
