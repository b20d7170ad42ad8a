# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parts that are images, put together by umoci."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.layers import Layer
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.part import Part, Workbench
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.recipes import Recipes

_CREATED = "1970-01-01T00:00:00Z"


class Image(Part):
    """An image, as the only one of an OCI layout of its own (`image/`), made by umoci."""

    kind = "image"

    def __init__(self, name: str, recipes: Recipes) -> None:
        super().__init__(name, recipes)
        self.recipe = recipes.images[name]
        self.version = recipes.expand(self.recipe.tag)

    def _source(self, file: str) -> tuple[str, str]:
        """Part name and file of a "PART/FILE"."""
        part, _, path = file.partition("/")
        return f"{'go' if part in self.recipes.go else 'pypi'} {part}", path

    @property
    def needs(self) -> list[str]:
        needs = [f"image {self.recipe.from_}"] if self.recipe.from_ else []
        needs += [f"debian {self.recipe.rootfs}"] if self.recipe.rootfs else []
        needs += ["wheels services"] if self.recipe.wheels else []
        return needs + sorted({self._source(file)[0] for file in self.recipe.files.values()})

    def inputs(self) -> Any:
        recipe = self.recipe
        own = [recipe.files, recipe.links, recipe.directories, recipe.wheels, recipe.config]
        return [self.version, self.recipes.architecture.go["GOARCH"], self.recipes.epoch, own]

    def build(self, bench: Workbench) -> None:
        layout = bench.directory / "image"
        image = f"{layout}:{self.short_name}"

        def umoci(*arguments: str | Path) -> None:
            bench.run(self.name, "umoci", ["umoci", *arguments])

        if self.recipe.from_:
            shutil.copytree(bench.parts[f"image {self.recipe.from_}"] / "image", layout, copy_function=link_blob)
            umoci("tag", "--image", f"{layout}:{self.recipe.from_}", self.short_name)
            umoci("rm", "--image", f"{layout}:{self.recipe.from_}")
        else:
            umoci("init", "--layout", layout)
            umoci("new", "--image", image)
        if self.recipe.rootfs:
            self._add_layer(umoci, image, bench.parts[f"debian {self.recipe.rootfs}"] / "layer.tar", self.recipe.rootfs)
        own = bench.directory / "own.tar"
        if self._write_own_layer(own, bench):
            self._add_layer(umoci, image, own, self.short_name)
        own.unlink()
        options = [
            f"--config.{key}={value}"
            for key, values in self.recipe.config.items()
            for value in (values if isinstance(values, list) else [values])
        ]
        options += ["--os=linux", f"--architecture={self.recipes.architecture.go['GOARCH']}"]
        umoci("config", "--image", image, f"--created={_CREATED}", "--no-history", *options)
        umoci("gc", "--layout", layout)

    @staticmethod
    def _add_layer(umoci: Callable[..., None], image: str, layer: Path, what: str) -> None:
        umoci(
            "raw", "add-layer", f"--history.created={_CREATED}", f"--history.created_by={what}", "--image", image, layer
        )

    def _write_own_layer(self, path: Path, bench: Workbench) -> bool:
        """Write the layer of files, links, directories and wheels. False: it is empty."""
        recipe = self.recipe
        with Layer(path, self.recipes.epoch) as layer:
            for directory, options in recipe.directories.items():
                layer.directory(directory, int(options.get("mode", "755"), 8), options.get("uid", 0))
            for target, file in recipe.files.items():
                part, name = self._source(file)
                layer.file(target, bench.parts[part] / name)
            for link, target in recipe.links.items():
                layer.link(link, target)
            if recipe.wheels:
                for wheel in sorted(bench.parts["wheels services"].iterdir()):
                    layer.file(f"{recipe.wheels}/{wheel.name}", wheel)
        return bool(recipe.directories or recipe.files or recipe.links or recipe.wheels)


def link_blob(source: str, target: str) -> None:
    """Copy for copytree: blobs never change, so they are hard-linked; what umoci rewrites is copied."""
    if "/blobs/" in source:
        os.link(source, target)
    else:
        shutil.copyfile(source, target)
