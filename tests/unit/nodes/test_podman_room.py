"""A room is removed by its label, and shared images stay while somebody needs them."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.module_utils.nodes import podman_room
from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.podman_room import PodmanRoom, unused_images


def test_an_image_that_a_container_uses_stays() -> None:
    assert unused_images([{"Id": "aa"}, {"Id": "bb"}], [{"ImageID": "bb"}, {}]) == ["aa"]


def test_everything_with_the_label_goes_containers_first(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []
    commands: list[list[str]] = []

    def podman(*arguments: str) -> list[dict[str, Any]]:
        asked.append(arguments)
        listings: dict[tuple[str, ...], list[dict[str, Any]]] = {
            ("ps", "--all", "--filter", "label=istio-workshop=blue"): [{"Names": ["blue-control-plane"]}],
            ("volume", "ls", "--filter", "label=istio-workshop=blue"): [{"Name": "blue-control-plane"}],
            ("network", "ls", "--filter", "label=istio-workshop=blue"): [{"name": "istio-workshop-blue"}],
        }
        return listings.get(arguments, [])

    monkeypatch.setattr(podman_room, "podman_strictly", podman)
    monkeypatch.setattr(podman_room, "run", lambda *command: commands.append(list(command)))
    monkeypatch.setattr(podman_room, "keep_rooms_apart", lambda dry_run: [])
    monkeypatch.setattr(podman_room, "saved_firewall", lambda command: "")
    removed = PodmanRoom("blue", dry_run=False).remove()
    assert removed == ["container blue-control-plane", "volume blue-control-plane", "network istio-workshop-blue"]
    assert [command[1] for command in commands] == ["rm", "volume", "network"]
    commands.clear()
    assert PodmanRoom("blue", dry_run=True).remove() == removed
    assert commands == []
    assert all("label=istio-workshop=blue" in " ".join(words) for words in asked if words[0] in {"volume", "network"})


@pytest.mark.parametrize("dry_run", [True, False])
def test_an_image_that_another_room_uses_is_neither_removed_nor_said_to_be(
    monkeypatch: pytest.MonkeyPatch, dry_run: bool
) -> None:
    blue = {"Names": ["blue-control-plane"], "ImageID": "old", "Labels": {"istio-workshop": "blue"}}
    green = {"Names": ["green-control-plane"], "ImageID": "new", "Labels": {"istio-workshop": "green"}}

    def podman(*arguments: str) -> list[dict[str, Any]]:
        if arguments[0] == "image":
            return [{"Id": "old"}, {"Id": "new"}] if "label=istio-workshop.image" in arguments else []
        if arguments == ("ps", "--all"):
            return [blue, green]
        return [blue] if arguments[0] == "ps" else []

    monkeypatch.setattr(podman_room, "podman_strictly", podman)
    monkeypatch.setattr(podman_room, "run", lambda *command: None)
    monkeypatch.setattr(podman_room, "keep_rooms_apart", lambda dry_run: [])
    monkeypatch.setattr(podman_room, "saved_firewall", lambda command: "")
    assert PodmanRoom("blue", dry_run=dry_run).remove() == ["container blue-control-plane", "image old"]


@pytest.mark.parametrize("name", ["", "*", "a b"])
def test_a_name_that_would_find_other_rooms_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no room's name"):
        PodmanRoom(name, dry_run=True)


@pytest.mark.parametrize(
    ("errors", "commands"),
    [([], 1), ([podman_room.STILL_ENDING], 2), ([podman_room.STILL_ENDING] * 2, 3), (["no such container"], 1)],
)
def test_a_node_that_takes_long_to_end_is_removed_again(
    monkeypatch: pytest.MonkeyPatch, errors: list[str], commands: int
) -> None:
    tried: list[tuple[str, ...]] = []

    def run(*command: str) -> None:
        tried.append(command)
        if len(tried) <= len(errors):
            raise subprocess.CalledProcessError(125, command, stderr=f"Error: {errors[len(tried) - 1]}")

    monkeypatch.setattr(podman_room, "run", run)
    room = PodmanRoom("blue", dry_run=False)
    if errors and errors[0] != podman_room.STILL_ENDING:
        with pytest.raises(subprocess.CalledProcessError):
            room._podman("rm", names=["blue-control-plane"])
    else:
        room._podman("rm", names=["blue-control-plane"])
    assert len(tried) == commands
