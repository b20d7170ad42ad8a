# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The bills of materials of a bundle: from its recipes, what is in it, and from the parts, what that is made of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.component import Component, ComponentType
from packageurl import PackageURL

from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.container_images import PREFIX
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.recipes import ImageRecipe, Recipes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.sbom_components import (
    GoModules,
    component,
    debian_packages,
    wheel,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.sbom_document import SUFFIX, Tree

_WHOLE = "bundle"


def documents(recipes: Recipes, parts: Mapping[str, Path], known: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Give the bundle's document and each image's, by the name of its file.

    Args:
        parts: directories of all parts, by name ("go etcd").
        known: licence by "MODULE VERSION" of every Go module.

    Raises:
        BundleError: a module's licence is not known.
    """
    bill = _Bill(recipes, parts, known)
    whole = Component(name="istio-workshop-bundle", type=ComponentType.APPLICATION, bom_ref=_WHOLE)
    images = {name: bill.image(name) for name, recipe in recipes.images.items() if not recipe.internal}
    bill.tree.add(whole, [*images.values(), *bill.programs(), *bill.wheels])
    for name, root in {_WHOLE: whole, **images}.items():
        yield f"{name}{SUFFIX}", bill.tree.document(root, recipes.epoch)


class _Bill:
    def __init__(self, recipes: Recipes, parts: Mapping[str, Path], known: Mapping[str, str]) -> None:
        self.tree = Tree()
        self._recipes, self._parts = recipes, parts
        self.wheels = [wheel(file) for file in sorted(parts["wheels services"].glob("*.whl"))]
        self._packages = {
            name: debian_packages(parts[f"debian {name}"], recipes.debian.suite) for name in recipes.rootfs
        }
        go = GoModules(
            parts["toolchain go"] / "go/bin/go", known, (recipes.toolchain.version, recipes.toolchain.licence)
        )
        self._files: dict[str, Component] = {}
        for name, recipe in recipes.go.items():
            for file in sorted(parts[f"go {name}"].iterdir()):
                self._add_file(name, file, recipes.versions[name], recipe.licence, go)
        for name, pin in recipes.pypi.items():
            purl = PackageURL("pypi", None, pin.package, pin.version)
            file = parts[f"pypi {name}"] / name
            self._files[f"{name}/{name}"] = component(
                name, pin.version, [pin.licence], purl=purl, file=file, kind=ComponentType.APPLICATION
            )

    def _add_file(self, part: str, file: Path, version: str, licence: str, go: GoModules) -> None:
        linked = go.linked(file)
        kind = ComponentType.FILE if linked is None else ComponentType.APPLICATION
        made = component(file.name, version, [licence], ref=f"{part}/{file.name}", file=file, kind=kind)
        self._files[f"{part}/{file.name}"] = made
        self.tree.add(made, linked or [])

    def programs(self) -> Iterator[Component]:
        """What the nodes run themselves."""
        for name, recipe in self._recipes.go.items():
            for file in self._parts[f"go {name}"].iterdir() if recipe.bundle else ():
                if not recipe.bundled or file.name in recipe.bundled:
                    yield self._files[f"{name}/{file.name}"]

    def image(self, name: str) -> Component:
        """An image, all of whose content is in the tree afterwards."""
        recipe = self._recipes.images[name]
        tag = self._recipes.expand(recipe.tag)
        (listed,) = json.loads((self._parts[f"image {name}"] / "image/index.json").read_text())["manifests"]
        digest = listed["digest"]
        made = Component(
            name=f"{PREFIX}/{name}",
            version=tag,
            type=ComponentType.CONTAINER,
            bom_ref=f"image {name}",
            purl=PackageURL("oci", None, name, digest, {"repository_url": f"{PREFIX}/{name}", "tag": tag}),
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest.partition(":")[2])],
        )
        self.tree.add(made, self._held(recipe))
        return made

    def _held(self, recipe: ImageRecipe) -> Iterator[Component]:
        if recipe.from_:
            yield from self._held(self._recipes.images[recipe.from_])
        if recipe.rootfs:
            yield from self._packages[recipe.rootfs]
        yield from (self._files[file] for file in recipe.files.values())
        if recipe.wheels:
            yield from self.wheels
