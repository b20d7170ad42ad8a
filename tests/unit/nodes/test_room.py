"""A room's addresses and access."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import room

SUBNET = "10.89.3.0/24"


def test_a_further_worker_moves_nobody() -> None:
    few = room.node_addresses(SUBNET, ["control-plane"], ["worker-2"])
    more = room.node_addresses(SUBNET, ["control-plane"], ["worker-1", "worker-2", "worker-10"])
    assert few == {"control-plane": "10.89.3.10", "worker-2": "10.89.3.12"}
    assert more == {**few, "worker-1": "10.89.3.11", "worker-10": "10.89.3.20"}


def test_the_highest_worker_has_the_last_address() -> None:
    found = room.node_addresses(SUBNET, ["control-plane"], ["worker-244"])
    assert found["worker-244"] == "10.89.3.254"


@pytest.mark.parametrize(
    ("control_plane", "workers", "said"),
    [
        ([], [], "exactly one node, it holds 0"),
        (["a", "b"], [], "exactly one node, it holds 2"),
        (["a"], ["worker"], "must end in a number from 1 to 244"),
        (["a"], ["worker-0"], "must end in a number"),
        (["a"], ["worker-245"], "must end in a number"),
        (["a"], ["worker-1", "other-1"], "end in the same number"),
    ],
)
def test_nodes_that_have_no_address(control_plane: list[str], workers: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        room.node_addresses(SUBNET, control_plane, workers)
    assert said in room.node_problems(control_plane, workers)[0]


def test_a_digest_changes_with_contents_names_and_values(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_text("1")
    paths = [str(tmp_path / "a")]
    first = room.content_digest(paths, ["x"])
    assert first == room.content_digest(paths, ["x"])
    assert first != room.content_digest(paths, ["y"])
    (tmp_path / "a" / "one").rename(tmp_path / "a" / "two")
    second = room.content_digest(paths, ["x"])
    (tmp_path / "a" / "two").write_text("2")
    assert len({first, second, room.content_digest(paths, ["x"])}) == 3


ADMIN = {
    "clusters": [
        {"name": "kubernetes", "cluster": {"server": "https://10.89.0.10:6443", "certificate-authority-data": "Q0E="}}
    ],
    "users": [{"name": "kubernetes-admin", "user": {"client-key-data": "S0VZ"}}],
}


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        # Whatever address it is reached at, the certificate holds this name.
        ("https://127.0.0.1:7443", {"server": "https://127.0.0.1:7443", "tls-server-name": "localhost"}),
        ("", {"server": "https://10.89.0.10:6443"}),
    ],
)
def test_the_kubeconfig_has_the_rooms_names_and_url(server: str, expected: dict[str, str]) -> None:
    config = room.room_kubeconfig(ADMIN, "blue", server)
    assert config["current-context"] == "blue"
    assert config["clusters"] == [{"name": "blue", "cluster": {"certificate-authority-data": "Q0E=", **expected}}]
    assert config["users"] == [{"name": "blue", "user": {"client-key-data": "S0VZ"}}]


def test_a_ticket_has_the_control_planes_own_address() -> None:
    command = "kubeadm join 127.0.0.1:7443 --token abc.def --discovery-token-ca-cert-hash sha256:77 \n"
    info = "apiVersion: v1\nclusters:\n- cluster:\n    server: https://10.89.0.10:6443\n  name: ''\n"
    assert room.join_ticket(command, info) == {
        "endpoint": "10.89.0.10:6443",
        "token": "abc.def",
        "ca_hash": "sha256:77",
    }
    with pytest.raises(ValueError, match="no join command"):
        room.join_ticket("", info)


@pytest.mark.parametrize(
    ("address", "ports", "url_address"),
    [
        ("127.0.0.1", ["127.0.0.1:7443:6443/tcp", "127.0.0.1:32000:32000/tcp"], "127.0.0.1"),
        ("0.0.0.0", ["0.0.0.0:7443:6443/tcp", "0.0.0.0:32000:32000/tcp"], "127.0.0.1"),
    ],
)
def test_ports_are_published_and_found_again(address: str, ports: list[str], url_address: str) -> None:
    assert room.published_ports(address, "7443", [32000]) == ports
    assert room.kubeconfig_address(address) == url_address
