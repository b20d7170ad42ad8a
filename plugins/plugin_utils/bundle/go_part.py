# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parts that are commands of Go modules, compiled in one workspace: one version of each dependency."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.contract import sha256
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.part import (
    Part,
    Workbench,
    environment,
    go_settings,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.recipes import Recipes

# What decides how a package is compiled; Go is asked with them again for what it has compiled. Debugging
# information, which the linker leaves out of the programs, is not even made: it would be a third of Go's cache.
BUILD_FLAGS = ("-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false")


class GoPart(Part):
    """The commands of a Go module, byte for byte the same on every machine: no cgo, no paths, one toolchain."""

    kind = "go"

    def __init__(self, name: str, recipes: Recipes) -> None:
        super().__init__(name, recipes)
        self.recipe, self.version = recipes.go[name], recipes.versions[name]
        self.workspace = recipes.supply / "go"
        self.source = self.workspace / name

    @property
    def needs(self) -> list[str]:
        return ["toolchain go"]

    def _variables(self) -> dict[str, str]:
        return {key: self.recipes.expand(value) for key, value in self.recipe.variables.items()}

    def inputs(self) -> Any:
        """Its own directory: its go.mod names all that it is compiled with (`load` holds all parts to one version)."""
        sources = {path.name: sha256(path) for path in sorted(self.source.iterdir()) if path.is_file()}
        recipe, go = self.recipe, self.recipes.architecture.go
        return [sources, self._variables(), recipe.rename, recipe.module_files, go]

    def environment(self, go_root: Path, cache: Path, workspace: Path) -> dict[str, str]:
        """Give Go's environment: the pinned toolchain, the workspace's directory, the cache's own directories."""
        return {
            **go_settings(),
            **environment(),
            "CGO_ENABLED": "0",
            "GOCACHE": str(cache / "go-build"),
            "GOENV": "off",
            "GOFLAGS": "-mod=readonly",
            "GOMODCACHE": str(cache / "go-mod"),
            "GOOS": "linux",
            "GOROOT": str(go_root),
            "GOTOOLCHAIN": "local",
            "GOWORK": str(workspace / "go.work"),
            **self.recipes.architecture.go,
        }

    def build(self, bench: Workbench) -> None:
        go_root = bench.parts["toolchain go"] / "go"
        # A copy, since Go writes sums that go.work.sum lacks into it, also when it may only read.
        workspace = Path(shutil.copytree(self.workspace, bench.directory / "workspace"))
        source = workspace / self.short_name
        env = self.environment(go_root, bench.cache, workspace)
        variables = "".join(f" -X {key}={value}" for key, value in self._variables().items())
        go = go_root / "bin/go"
        bench.run(
            self.name,
            "the Go module proxy",
            [
                *(go, "build", *BUILD_FLAGS, "-ldflags", f"-s -w -buildid={variables}"),
                *("-o", f"{bench.directory}/", *self.recipes.commands[self.short_name]),
            ],
            env=env,
            cwd=source,
        )
        self._check_sums(workspace)
        for old, new in self.recipe.rename.items():
            (bench.directory / old).rename(bench.directory / new)
        if self.recipe.module_files:
            listed = subprocess.run(
                [go, "list", "-m", "-f", "{{.Dir}}", self.recipe.module],
                env=env, cwd=source, check=True, capture_output=True, text=True,
            )  # fmt: skip
            for file in self.recipe.module_files:
                shutil.copyfile(Path(listed.stdout.strip()) / file, bench.directory / Path(file).name)
        shutil.rmtree(workspace)
        # Unpacked and checked, modules are read where they lie; their archives were a third of the space.
        for archive in (bench.cache / "go-mod/cache/download").rglob("*.zip"):
            archive.unlink()

    def _check_sums(self, workspace: Path) -> None:
        """Raise BundleError when Go has used a module whose sum is not pinned."""
        pinned, used = (set((root / "go.work.sum").read_text().splitlines()) for root in (self.workspace, workspace))
        if unknown := sorted(used - pinned):
            raise BundleError(
                f"{self.name}: the sum of {' '.join(unknown[0].split()[:2])} is not pinned in supply/go: "
                "type scripts/align_go_versions."
            )
