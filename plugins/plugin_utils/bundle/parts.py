# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parts of a bundle, in the order in which they are built."""

from __future__ import annotations

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.debian_part import RootFilesystem
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.go_part import GoPart
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.image_part import Image
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.part import Part, Workbench
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.pypi_parts import PypiFile, Toolchain, Wheels
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.recipes import Recipes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.sbom_part import BillOfMaterials

__all__ = ["BillOfMaterials", "GoPart", "Image", "Part", "Wheels", "Workbench", "all_parts"]


def all_parts(recipes: Recipes) -> list[Part]:
    """Every part, each after those that it needs; what takes long comes late, so that trouble shows early."""
    return [
        Toolchain(recipes),
        *(PypiFile(name, recipes) for name in recipes.pypi),
        Wheels(recipes),
        *(RootFilesystem(name, recipes) for name in recipes.rootfs),
        *(GoPart(name, recipes) for name in recipes.go),
        *(Image(name, recipes) for name in recipes.images),
        BillOfMaterials(recipes),
    ]
