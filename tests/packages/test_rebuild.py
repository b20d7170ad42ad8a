"""The smallest Go part, built for real from an empty cache, comes out as supply/lock.yml says.

Downloads the toolchain and some modules: about 100 MB, half a minute.
"""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import recipes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.builder import Builder
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError

pytestmark = pytest.mark.timeout(1200)
BUILD_VERSION = "github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion"
SUPPLY = Path(__file__).parents[2] / "supply"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty cache that this module's tests share."""
    return tmp_path_factory.mktemp("cache")


def test_a_part_built_again_is_byte_identical(cache: Path) -> None:
    loaded = recipes.load(SUPPLY)
    built = Builder(loaded, cache, say=print).ensure_part("go cni")
    assert {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in built.iterdir()} == loaded.lock["cni"]


def test_a_part_with_another_flag_is_refused(cache: Path) -> None:
    loaded = recipes.load(SUPPLY)
    changed = dataclasses.replace(loaded.go["cni"], variables={BUILD_VERSION: "0"})
    builder = Builder(dataclasses.replace(loaded, go={**loaded.go, "cni": changed}), cache, say=print)
    with pytest.raises(BundleError, match=r"supply/lock\.yml has"):
        builder.ensure_part("go cni")
