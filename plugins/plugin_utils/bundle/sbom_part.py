# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The part that is the bundle's bill of materials."""

from __future__ import annotations

from typing import Any

import yaml

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.contract import sha256
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.part import Part, Workbench
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.recipes import Recipes


class BillOfMaterials(Part):
    """A document of the bundle, and one of each image in it."""

    kind = "sbom"
    version = "CycloneDX 1.6"

    def __init__(self, recipes: Recipes) -> None:
        super().__init__("bundle", recipes)
        self._licences = recipes.supply / "licences.yml"

    @property
    def needs(self) -> list[str]:
        recipes = self.recipes
        return [
            *("toolchain go", "wheels services"),
            *(f"pypi {name}" for name in recipes.pypi),
            *(f"debian {name}" for name in recipes.rootfs),
            *(f"go {name}" for name in recipes.go),
            *(f"image {name}" for name in recipes.images),
        ]

    def inputs(self) -> Any:
        return [sha256(self._licences), self.recipes.epoch]

    def build(self, bench: Workbench) -> None:
        # Its libraries take a second to load, which only a build needs.
        from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.sbom_bundle import documents

        known = yaml.safe_load(self._licences.read_text())
        for name, text in documents(self.recipes, bench.parts, known):
            (bench.directory / name).write_text(text)
