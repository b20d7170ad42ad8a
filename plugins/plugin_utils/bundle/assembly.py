# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Putting a bundle's directory together from its parts, by hard links, so that it costs no space."""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.container_images import NAME, PREFIX, REFERENCE
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.contract import (
    LOCK,
    SCHEMA,
    Image,
    Lock,
    LockedPart,
    listing,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.parts import Part
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.recipes import EACH_ITS_OWN, Recipes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.store import readable

# Kinds of parts of which nothing is in the bundle itself, or which are listed as images, or as files alone.
_NOT_LISTED = ("toolchain", "image", "sbom")
# Envoy's plain release is what the recipes take.
_PROXY = "plain"


def assemble(
    recipes: Recipes, parts: Iterable[Part], directory: Callable[[str], Path], supply: str, target: Path
) -> None:
    """Make the bundle in the empty place `target`, its lock last.

    Args:
        recipes: what it is made of.
        parts: all of its parts.
        directory: where a part is, by its name.
        supply: the digest of what it is made of.
        target: its directory, which is not there yet.
    """
    for name, recipe in recipes.go.items():
        if recipe.bundle:
            place = target / recipe.bundle
            place.mkdir(parents=True, exist_ok=True)
            for file in sorted(directory(f"go {name}").iterdir()):
                if not recipe.bundled or file.name in recipe.bundled:
                    os.link(file, place / file.name)
            for link in recipe.links:
                (place / link).symlink_to(name)
    shutil.copytree(directory("wheels services"), target / "wheels", copy_function=os.link)
    shutil.copytree(directory("sbom bundle"), target / "sbom", copy_function=os.link)
    images = _merge_images(recipes, directory, target / "images")
    readable(target)
    files, links = listing(target)
    lock = Lock(
        schema=SCHEMA,
        key=supply[:16],
        architecture=platform.machine(),
        proxy=_PROXY,
        supply=supply,
        versions=_versions(recipes),
        parts=tuple(_locked(part, directory(part.name)) for part in parts if part.kind not in _NOT_LISTED),
        files=files,
        links=links,
        images=images,
    )
    (target / LOCK).write_text(lock.text)
    (target / LOCK).chmod(0o644)


def identity(recipes: Recipes) -> dict[str, str]:
    """What a bundle of these recipes is to a room, before it is made: versions by name, proxy and architecture."""
    return {**_versions(recipes), "proxy": _PROXY, "architecture": platform.machine()}


def _versions(recipes: Recipes) -> dict[str, str]:
    return {**recipes.versions, **{name: pin.version for name, pin in recipes.pypi.items()}}


def _locked(part: Part, directory: Path) -> LockedPart:
    files, _ = listing(directory)
    return LockedPart(
        name=part.name,
        version=part.version,
        source=_source(part),
        licence=_licence(part),
        sha256={name: file.sha256 for name, file in files.items()},
    )


def _source(part: Part) -> str:
    recipes, name = part.recipes, part.short_name
    return {
        "go": lambda: recipes.go[name].module,
        "pypi": lambda: recipes.pypi[name].package,
        "debian": lambda: f"Debian {recipes.debian.suite}: {' '.join(recipes.rootfs[name].packages)}",
        "wheels": lambda: f"PyPI: {recipes.wheels.requirements}",
    }[part.kind]()


def _licence(part: Part) -> str:
    recipes, name = part.recipes, part.short_name
    return {
        "go": lambda: recipes.go[name].licence,
        "pypi": lambda: recipes.pypi[name].licence,
        "debian": lambda: recipes.rootfs[name].licence,
        "wheels": lambda: EACH_ITS_OWN,
    }[part.kind]()


def _merge_images(recipes: Recipes, directory: Callable[[str], Path], target: Path) -> dict[str, Image]:
    """Make one OCI layout of all images."""
    blobs = target / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    manifests, images = [], {}
    for name, recipe in recipes.images.items():
        if recipe.internal:
            continue
        layout = directory(f"image {name}") / "image"
        for blob in (layout / "blobs" / "sha256").iterdir():
            if not (blobs / blob.name).exists():
                os.link(blob, blobs / blob.name)
        (manifest,) = json.loads((layout / "index.json").read_text())["manifests"]
        tag = recipes.expand(recipe.tag)
        reference = f"{PREFIX}/{name}:{tag}"
        manifest["annotations"] = {REFERENCE: f"{name}:{tag}", NAME: reference}
        manifests.append(manifest)
        images[name] = Image(reference, manifest["digest"])
    (target / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (target / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": manifests}))
    return images
