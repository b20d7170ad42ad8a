"""A build goes on where it was interrupted, is checked against the lock, and says in one sentence what is wrong."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import builder as builder_module
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import parts, recipes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.builder import Builder
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError, explain
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.process import run

SUPPLY = Path(__file__).parents[3] / "supply"


class Quick(parts.GoPart):
    """A Go part that is "built" at once, or fails while its name is in `broken`."""

    broken: ClassVar[set[str]] = set()
    builds: ClassVar[list[str]] = []

    @property
    def needs(self) -> list[str]:
        return []

    def build(self, bench: parts.Workbench) -> None:
        self.builds.append(self.short_name)
        (bench.directory / "half").write_text("half")
        if self.short_name in self.broken:
            raise BundleError(f"{self.name}: failed")
        (bench.directory / "half").rename(bench.directory / self.short_name)


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Returns a function that makes a Builder of three quick parts, with a matching lock unless told otherwise."""
    Quick.broken, Quick.builds = set(), []
    loaded = recipes.load(SUPPLY)
    names = ["cni", "etcd", "coredns"]
    sha = "4f2afbde9c53f8b8f2ed5b3eb6a6cb1b1d8ae1a5e4b4a3a6f4c0cbd4f6b6d8f7"
    monkeypatch.setattr(builder_module, "all_parts", lambda read: [Quick(name, read) for name in names])
    monkeypatch.setattr(builder_module, "sha256", lambda path: sha)
    monkeypatch.setattr(Builder, "_assemble", lambda self: self.path.mkdir(parents=True))

    def build(lock: dict[str, dict[str, str]] | None = None) -> Builder:
        locked = lock if lock is not None else {name: {name: sha} for name in names}
        return Builder(dataclasses.replace(loaded, lock=locked), tmp_path / "cache", say=lambda text: None)

    return build


def test_the_second_run_builds_nothing(make: Any) -> None:
    first = make().ensure()
    assert first.changed
    assert Quick.builds == ["cni", "etcd", "coredns"]
    second = make().ensure()
    assert (second.path, second.changed, second.built) == (first.path, False, {})
    assert len(Quick.builds) == 3


def test_a_run_that_waited_for_another_takes_what_that_has_made(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting, locked = make(), Builder._locked

    @contextlib.contextmanager
    def locked_after_another(self: Builder) -> Iterator[None]:
        if self is waiting:
            make().ensure()
        with locked(self):
            yield

    monkeypatch.setattr(Builder, "_locked", locked_after_another)
    assert not waiting.ensure().changed


def test_an_interrupted_build_goes_on_with_the_part_that_failed(make: Any) -> None:
    Quick.broken = {"etcd"}
    with pytest.raises(BundleError):
        make().ensure()
    assert [part.short_name for part in make().missing()] == ["etcd", "coredns"]
    Quick.broken = set()
    assert list(make().ensure().built) == ["go etcd", "go coredns"]
    assert Quick.builds == ["cni", "etcd", "etcd", "coredns"]


def test_check_mode_tells_what_would_be_built_and_builds_nothing(make: Any) -> None:
    would = make().ensure(check_mode=True)
    assert would.changed
    assert list(would.built) == ["go cni", "go etcd", "go coredns"]
    assert Quick.builds == []


def test_what_differs_from_the_lock_is_refused(make: Any) -> None:
    with pytest.raises(BundleError, match=r"go cni: cni came out with sha256 4f2a.*, and supply/lock\.yml has None"):
        make({}).ensure()
    assert not make().path.exists()
    assert [part.short_name for part in make().missing()] == ["cni", "etcd", "coredns"]


def test_too_little_space_is_found_before_anything_is_built(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 9, 2_000_000_000))
    with pytest.raises(BundleError, match=r"no space left .* 2\.0 GB free, 17 GB are needed.*-e workshop_cache_dir="):
        make().ensure()
    assert Quick.builds == []


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("go: dial tcp: lookup proxy.example: no such host", "the Go module proxy cannot be reached"),
        ("E: Could not resolve 'deb.example'", "the Go module proxy cannot be reached"),
        (
            "ReadTimeoutError\nFailed to establish a new connection: [Errno 111]",
            "the Go module proxy cannot be reached",
        ),
        (
            "ERROR: Could not find a version (from versions: none)\nERROR: No match",
            "the Go module proxy cannot be reached",
        ),
        ("compile: writing output: write /x: no space left on device", "no space left in the cache's file system"),
        ("./main.go:3:1: syntax error", "failed: ./main.go:3:1: syntax error"),
    ],
)
def test_a_failure_is_explained_in_one_sentence(log: str, said: str, tmp_path: Path) -> None:
    assert said in explain("go etcd", "the Go module proxy", log, tmp_path)


def test_a_failing_tool_shows_the_end_of_its_log(tmp_path: Path) -> None:
    command: list[str | Path] = ["sh", "-c", "echo compiling; echo main.go:3: syntax error >&2; exit 3"]
    with pytest.raises(BundleError, match=r"failed: main\.go:3: syntax error\n(.|\n)*compiling\nmain\.go:3"):
        run(command, what="go etcd", source="the Go module proxy", log=tmp_path / "log", say=lambda text: None)


def test_a_missing_tool_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no-such-tool is not installed"):
        run(["no-such-tool"], what="image etcd", source="", log=tmp_path / "log", say=lambda text: None)


@pytest.mark.parametrize(
    ("listing", "versions"),
    [
        ("partial\nbusybox-static_1%3a1.35.0-4_amd64.deb\n", {"busybox-static": "1:1.35.0-4"}),
        ("libc6:amd64\t2.36-9\npython3\t3.11.2-1+b1\n", {"libc6": "2.36-9", "python3": "3.11.2-1+b1"}),
    ],
)
def test_package_versions_are_read_from_either_listing(listing: str, versions: dict[str, str]) -> None:
    assert parts.package_versions(listing) == versions
