# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parts that are commands of Go modules."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.contract import sha256
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.part import Part, Workbench, environment
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.recipes import Recipes

# What decides how a package is compiled; Go is asked with them again for what it has compiled.
BUILD_FLAGS = ("-trimpath", "-buildvcs=false")


class GoPart(Part):
    """The commands of a Go module, byte for byte the same on every machine: no cgo, no paths, one toolchain."""

    kind = "go"

    def __init__(self, name: str, recipes: Recipes) -> None:
        super().__init__(name, recipes)
        self.recipe, self.version = recipes.go[name], recipes.versions[name]
        self.source = recipes.supply / "go" / name

    @property
    def needs(self) -> list[str]:
        return ["toolchain go"]

    def _variables(self) -> dict[str, str]:
        return {key: self.recipes.expand(value) for key, value in self.recipe.variables.items()}

    def inputs(self) -> Any:
        sources = {path.name: sha256(path) for path in sorted(self.source.iterdir()) if path.is_file()}
        recipe = self.recipe
        return [sources, recipe.packages, self._variables(), recipe.rename, recipe.module_files]

    def environment(self, go_root: Path, cache: Path) -> dict[str, str]:
        """Give Go's environment for this part: the pinned toolchain, the cache's own directories."""
        return environment() | {
            "CGO_ENABLED": "0",
            "GOCACHE": str(cache / "go-build"),
            "GOFLAGS": "-mod=readonly",
            "GOMODCACHE": str(cache / "go-mod"),
            "GOOS": "linux",
            "GOROOT": str(go_root),
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
            **self.recipes.architecture.go,
        }

    def build(self, bench: Workbench) -> None:
        go_root = bench.parts["toolchain go"] / "go"
        env = self.environment(go_root, bench.cache)
        variables = "".join(f" -X {key}={value}" for key, value in self._variables().items())
        go = go_root / "bin/go"
        bench.run(
            self.name,
            "the Go module proxy",
            [
                *(go, "build", *BUILD_FLAGS, "-ldflags", f"-s -w -buildid={variables}"),
                *("-o", f"{bench.directory}/", self.recipe.packages),
            ],
            env=env,
            cwd=self.source,
        )
        for old, new in self.recipe.rename.items():
            (bench.directory / old).rename(bench.directory / new)
        if self.recipe.module_files:
            listed = subprocess.run(
                [go, "list", "-m", "-f", "{{.Dir}}", self.recipe.module],
                env=env, cwd=self.source, check=True, capture_output=True, text=True,
            )  # fmt: skip
            for file in self.recipe.module_files:
                shutil.copyfile(Path(listed.stdout.strip()) / file, bench.directory / Path(file).name)
        # Unpacked and checked, modules are read where they lie; their archives were a third of the space.
        for archive in (bench.cache / "go-mod/cache/download").rglob("*.zip"):
            archive.unlink()
