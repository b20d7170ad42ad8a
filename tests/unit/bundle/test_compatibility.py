"""Which bundle a room that has nodes may take."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import compatibility
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.compatibility import refuse_half_an_upgrade
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError

ROOM = {
    "kubernetes": "1.36.3",
    "etcd": "3.6.8",
    "containerd": "2.2.2",
    "istio": "0.0.0-20260827124520-eed52ebb66ad",
    "proxy": "plain",
    "architecture": "x86_64",
    "coredns": "1.14.2",
    "kube-router": "2.6.3",
    "envoy": "1.40.0",
}


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"coredns": "1.15.0", "kube-router": "2.7.0", "kaniko": "2", "python": "3.12"},
        {"a part more": "1"},
    ],
)
def test_what_is_replaced_in_a_cluster_that_runs_may_differ(changed: dict[str, str]) -> None:
    refuse_half_an_upgrade(ROOM, ROOM | changed)


@pytest.mark.parametrize("name", compatibility.COMPARED)
def test_what_would_be_half_an_upgrade_is_refused(name: str) -> None:
    for other in ("0", "99.9"):  # an older one is no better
        with pytest.raises(BundleError) as raised:
            refuse_half_an_upgrade(ROOM, ROOM | {name: other})
        said = str(raised.value)
        assert f"{compatibility.COMPARED[name]} {ROOM[name]}, and the bundle holds" in said
        assert f"{compatibility.COMPARED[name]} {other}: nothing was changed" in said
        assert "make down and then make up" in said


def test_all_that_differs_is_named() -> None:
    with pytest.raises(
        BundleError, match=r"runs Kubernetes 1\.36\.3, etcd 3\.6\.8, and the bundle holds Kubernetes 1\.37"
    ):
        refuse_half_an_upgrade(ROOM, ROOM | {"kubernetes": "1.37.0", "etcd": "3.7.0"})


def test_what_is_not_known_is_not_compared() -> None:
    refuse_half_an_upgrade({}, ROOM)
    refuse_half_an_upgrade({"kubernetes": "1.36.3"}, ROOM)


def test_a_room_is_known_by_its_bundle_of_whatever_schema(bundle: Path, tmp_path: Path) -> None:
    found = compatibility.running_versions(bundle)
    assert (found["kubernetes"], found["proxy"]) == ("1.36.3", "plain")
    older = {
        "key": "1",
        "parts": [{"name": "go etcd", "version": "3.5.0"}, {"name": "go kubernetes", "version": "1.34.4"}],
    }
    (tmp_path / "lock.json").write_text(json.dumps(older))
    assert compatibility.running_versions(tmp_path) == {"etcd": "3.5.0", "kubernetes": "1.34.4"}
    for rubbish in ("", "[]", '{"parts": 3}', '{"versions": 3}'):
        (tmp_path / "lock.json").write_text(rubbish)
        assert compatibility.running_versions(tmp_path) == {}
    assert compatibility.running_versions(tmp_path / "gone") == {}


def test_the_api_server_is_believed_more() -> None:
    assert compatibility.with_api({"kubernetes": "1.35.0", "etcd": "3"}, "v1.36.3") == {
        "kubernetes": "1.36.3",
        "etcd": "3",
    }
    assert compatibility.with_api({"kubernetes": "1.35.0"}, "") == {"kubernetes": "1.35.0"}
    with pytest.raises(BundleError, match=r"runs Kubernetes 1\.35\.1, "):
        refuse_half_an_upgrade(compatibility.with_api({}, "v1.35.1"), ROOM)
