# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parts that are images: layers of Debian packages, of the bundle's programs and of wheels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.layers import Layer
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.oci_layout import (
    ImageLayer,
    layers_of,
    write_image,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.part import Part, Workbench
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.recipes import Recipes


class Image(Part):
    """An image, as the only one of an OCI layout of its own (`image/`)."""

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
        recipe, layers = self.recipe, []
        if recipe.from_:
            layers += layers_of(bench.parts[f"image {recipe.from_}"] / "image")
        if recipe.rootfs:
            layers.append(ImageLayer(bench.parts[f"debian {recipe.rootfs}"] / "layer.tar", recipe.rootfs))
        own = bench.directory / "own.tar"
        if self._write_own_layer(own, bench):
            layers.append(ImageLayer(own, self.short_name))
        write_image(bench.directory / "image", layers, recipe.config, self.recipes.architecture.go["GOARCH"])
        own.unlink()

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
