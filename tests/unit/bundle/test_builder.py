"""A build goes on where it was interrupted, is checked against the lock, and says in one sentence what is wrong."""

from __future__ import annotations

import collections
import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.bundle.conftest import Builds, MakeBuilder

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import parts
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.builder import Builder
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.debian_part import packages
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError, explain
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.process import run

ALL = ["wheels services", "go cni", "go kubernetes", "go etcd", "image etcd", "image kube-proxy", "sbom bundle"]


def test_the_second_run_builds_nothing(make: MakeBuilder) -> None:
    first = make().ensure()
    assert first.changed
    assert Builds.done == ALL
    second = make().ensure()
    assert (second.path, second.changed, second.built) == (first.path, False, {})
    assert len(Builds.done) == len(ALL)


def test_it_says_why_it_builds_how_long_and_what_it_needs_before_it_begins(make: MakeBuilder) -> None:
    said: list[str] = []
    path = make(said).ensure().path
    assert said[0] == f"There is no bundle {path}. It is made from packages."
    assert said[1].startswith("0 of 7 parts are done, about 4 minutes left; it needs 11 GB in ")
    assert said[1].endswith(", and the network: the Go module proxy, PyPI")
    assert "1/7] wheels services 3.11 ..." in said[2]
    assert "1 of 7 parts are done, about 4 minutes left" in said[3]
    assert "7 of 7 parts are done" in said[-3]
    assert said[-2] == "putting the bundle together"
    assert f"comparing {path} with its lock" in said[-1]


def test_a_run_that_waited_for_another_takes_what_that_has_made(
    make: MakeBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, locked = make(), Builder._locked

    @contextlib.contextmanager
    def locked_after_another(self: Builder) -> Iterator[None]:
        if self is waiting:
            make().ensure()
        with locked(self):
            yield

    monkeypatch.setattr(Builder, "_locked", locked_after_another)
    assert not waiting.ensure().changed


def test_an_interrupted_build_goes_on_with_the_part_that_failed(make: MakeBuilder) -> None:
    Builds.broken = {"go etcd"}
    with pytest.raises(BundleError):
        make().ensure()
    assert [part.name for part in make().missing()] == ALL[3:]
    Builds.broken = set()
    assert list(make().ensure().built) == ALL[3:]
    assert Builds.done == [*ALL[:3], "go etcd", *ALL[3:]]


def test_check_mode_tells_what_would_be_built_and_builds_nothing(make: MakeBuilder) -> None:
    would = make().ensure(check_mode=True)
    assert would.changed
    assert list(would.built) == ALL
    assert Builds.done == []


def test_what_differs_from_the_lock_is_refused(make: MakeBuilder) -> None:
    with pytest.raises(BundleError, match=r"go cni: cni came out with sha256 .*, and supply/lock\.yml has None"):
        make(lock={}).ensure()
    assert not make(lock={}).path.exists()
    assert [part.name for part in make().missing()] == ALL[1:]


def test_what_this_machine_lacks_is_said_before_anything_is_built(
    make: MakeBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(self: parts.Part) -> None:
        raise BundleError(f"{self.name}: no mirror")

    monkeypatch.setattr(parts.Image, "check", check)
    with pytest.raises(BundleError, match="image etcd: no mirror"):
        make().ensure()
    assert Builds.done == []


def test_too_little_space_is_found_before_anything_is_built(make: MakeBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 9, 2_000_000_000))
    with pytest.raises(BundleError, match=r"no space left .* 2\.0 GB free, 11 GB are needed.*-e workshop_cache_dir="):
        make().ensure()
    assert Builds.done == []


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
    ("listing", "found"),
    [
        ("partial\nbusybox_1%3a1.35.0-4_amd64.deb\n", [("busybox", "1:1.35.0-4", "amd64")]),
        (
            "libc6\t2.36-9\tamd64\npython3-pip\t23.0\tall\n",
            [("libc6", "2.36-9", "amd64"), ("python3-pip", "23.0", "all")],
        ),
    ],
)
def test_packages_are_read_from_either_listing(listing: str, found: list[tuple[str, str, str]]) -> None:
    assert list(packages(listing)) == found
