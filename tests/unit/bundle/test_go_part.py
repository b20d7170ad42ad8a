"""A Go part is compiled from what is pinned alone, in the workspace, for the architecture that is pinned."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import go_part, recipes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.part import Workbench

SUPPLY = Path(__file__).parents[3] / "supply"


class Bench(Workbench):
    """A bench whose Go writes `made` and, where a sum is missing, what the real one does: a line into go.work.sum."""

    new_sum = ""
    made = "etcd-server"

    def run(self, what: str, source: str, command: list[str | Path], **options: Any) -> None:
        self.command, self.env, self.cwd = [str(word) for word in command], options["env"], options["cwd"]
        (self.directory / self.made).write_text("")
        with (self.cwd.parent / "go.work.sum").open("a") as sums:
            sums.write(self.new_sum)


@pytest.fixture
def supply(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SUPPLY, tmp_path / "supply"))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    directory, archives = tmp_path / "part", tmp_path / "go-mod/cache/download/example.org/@v"
    directory.mkdir()
    archives.mkdir(parents=True)
    for name in ("v1.0.0.zip", "v1.0.0.ziphash", "v1.0.0.mod"):
        (archives / name).touch()
    return Bench(directory, tmp_path / "log", tmp_path, {"toolchain go": tmp_path / "go"}, lambda text: None)


def part(supply: Path, name: str = "etcd") -> go_part.GoPart:
    return go_part.GoPart(name, recipes.load(supply))


def test_it_is_built_by_its_own_packages_in_the_workspace(supply: Path, bench: Bench) -> None:
    bench.made = "server"
    part(supply).build(bench)
    assert bench.command[-1] == "go.etcd.io/etcd/server/v3"
    assert "-trimpath" in bench.command
    assert bench.env["GOWORK"] == str(bench.cwd.parent / "go.work")
    assert (bench.env["GOARCH"], bench.env["GOOS"], bench.env["CGO_ENABLED"]) == ("amd64", "linux", "0")
    assert [path.name for path in bench.directory.iterdir()] == ["etcd"]


def test_unpacked_modules_lose_their_archives(supply: Path, bench: Bench) -> None:
    bench.made = "server"
    part(supply).build(bench)
    assert sorted(path.suffix for path in bench.cache.rglob("v1.0.0.*")) == [".mod", ".ziphash"]


def test_a_sum_that_is_not_pinned_fails_it(supply: Path, bench: Bench) -> None:
    bench.new_sum = "example.org/new v1.0.0 h1:AAAA=\n"
    before = (supply / "go/go.work.sum").read_text()
    with pytest.raises(BundleError, match=r"go etcd: the sum of example\.org/new v1\.0\.0 is not pinned in supply/go"):
        part(supply).build(bench)
    assert (supply / "go/go.work.sum").read_text() == before
