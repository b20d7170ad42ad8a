"""What a node pushes to the registry, and what it expects there."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import cast

import pytest

from ansible_collections.istio_games.workshop.plugins.module_utils.registry.api import (
    Damage,
    Registry,
    RegistryError,
)
from ansible_collections.istio_games.workshop.plugins.module_utils.registry.seed import (
    Seed,
    SeedError,
    hosts_directory,
)

BUSYBOX = "localhost/workshop/busybox:1.35.0"


class Node:
    """A registry, and containerd's images on a node; a push is listed after some looks at the catalog."""

    url = "http://127.0.0.1:32000"

    def __init__(self, listed_after: int = 0) -> None:
        self.images: dict[str, str] = {}
        self.local = {BUSYBOX: "sha256:11"}
        self.answers = True
        self.looks_left = listed_after
        self.now = 0.0
        self.waited: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        if not self.answers:
            raise RegistryError("The registry cannot be reached.")

    def catalog(self) -> list[str]:
        self.looks_left -= 1
        return [] if self.looks_left >= 0 else sorted({name.partition(":")[0] for name in self.images})

    def damage(self, name: str, tag: str, digest: str) -> Damage | None:
        return None if self.images.get(f"{name}:{tag}") == digest else Damage("its tag names something else")

    def ctr(self, *arguments: str) -> str:
        if arguments[1] == "push":
            assert arguments[2:5] == ("--local", "--hosts-dir", "/hosts")
            self.images[arguments[5].partition("/")[2]] = self.local[arguments[6]]
        return "".join(f"{name} application/manifest {digest} 1 MiB\n" for name, digest in self.local.items())

    def seed(self, *, dry_run: bool = False) -> Seed:
        def sleep(seconds: float) -> None:
            self.now += seconds

        return Seed(
            cast(Registry, self), self.ctr, Path("/hosts"), 60, dry_run=dry_run, sleep=sleep, clock=lambda: self.now
        )


def test_what_the_registry_lacks_is_pushed_once() -> None:
    node = Node()
    assert node.seed().push([BUSYBOX], fresh=True).pushed == ["busybox:1.35.0"]
    assert node.waited == [60], "it may be starting"
    again = node.seed().push([BUSYBOX], fresh=False)
    assert (again.before, again.pushed) == (["busybox"], [])


def test_another_content_under_the_same_tag_is_pushed() -> None:
    node = Node()
    node.images["busybox:1.35.0"] = "sha256:22"
    assert node.seed().push([BUSYBOX], fresh=False).pushed == ["busybox:1.35.0"]


def test_a_new_registry_that_holds_something_is_another_one() -> None:
    node = Node()
    node.images["nginx:1"] = "sha256:22"
    with pytest.raises(SeedError, match=r"is new, but its catalog at 127\.0\.0\.1:32000 lists nginx"):
        node.seed().push([BUSYBOX], fresh=True)


def test_the_catalog_is_read_until_it_lists_what_is_expected() -> None:
    node = Node(listed_after=4)
    node.images["busybox:1.35.0"] = "sha256:11"
    assert node.seed().catalog(["busybox"]) == ["busybox"]
    assert node.now == 2.0


def test_what_never_appears_is_named() -> None:
    with pytest.raises(SeedError, match="lists nothing, but not busybox after 60 s"):
        Node().seed().catalog(["busybox"])


def test_an_image_that_the_node_lacks_is_named() -> None:
    with pytest.raises(SeedError, match="has no image localhost/workshop/redis:7"):
        Node().seed().push(["localhost/workshop/redis:7"], fresh=False)


def test_check_mode_pushes_nothing_and_waits_for_nothing() -> None:
    node = Node()
    assert node.seed(dry_run=True).push([BUSYBOX], fresh=True).pushed == ["busybox:1.35.0"]
    assert node.images == {}
    assert node.seed(dry_run=True).catalog(["busybox"]) == []
    node.answers = False
    there = node.seed(dry_run=True).push([BUSYBOX], fresh=True)
    assert (there.answered, there.pushed) == (False, ["busybox:1.35.0"])
    assert set(node.waited) == {0}


def test_a_registry_that_does_not_answer_is_told() -> None:
    node = Node()
    node.answers = False
    with pytest.raises(RegistryError):
        node.seed().push([BUSYBOX], fresh=False)


def test_a_password_stands_in_a_file_of_the_runs_own() -> None:
    with hosts_directory("127.0.0.1:32000", ("workshop", "secret")) as directory:
        written = tomllib.loads((directory / "127.0.0.1:32000/hosts.toml").read_text())
        assert directory.stat().st_mode & 0o077 == 0
    assert not directory.exists()
    host = written["host"]["http://127.0.0.1:32000"]
    assert host["capabilities"] == ["pull", "resolve", "push"]
    assert host["header"] == {"Authorization": "Basic d29ya3Nob3A6c2VjcmV0"}


def test_who_only_reads_needs_none() -> None:
    with hosts_directory("127.0.0.1:32000", None) as directory:
        assert "header" not in (directory / "127.0.0.1:32000/hosts.toml").read_text()
