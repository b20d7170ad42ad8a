"""A supply whose parts are built at once: real recipes, a real cache and real bundles, of a few bytes each."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import builder as builder_module
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import parts, recipes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.builder import Builder
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError

SUPPLY = Path(__file__).parents[3] / "supply"
GO = ("cni", "kubernetes", "etcd")
IMAGES = ("etcd", "kube-proxy")


class Builds:
    """What was built, in its order, and what fails."""

    done: ClassVar[list[str]] = []
    broken: ClassVar[set[str]] = set()

    @classmethod
    def of(cls, part: parts.Part, file: Path) -> None:
        cls.done.append(part.name)
        (file.parent / "half").write_text("half")
        if part.name in cls.broken:
            raise BundleError(f"{part.name}: failed")
        (file.parent / "half").unlink()
        file.write_text(content(part.short_name))
        file.chmod(0o755)


class QuickGo(parts.GoPart):
    @property
    def needs(self) -> list[str]:
        return []

    def build(self, bench: parts.Workbench) -> None:
        Builds.of(self, bench.directory / self.short_name)


class QuickWheels(parts.Wheels):
    def build(self, bench: parts.Workbench) -> None:
        Builds.of(self, bench.directory / "flask-3.whl")


class QuickImage(parts.Image):
    @property
    def needs(self) -> list[str]:
        return ["go etcd"]

    def build(self, bench: parts.Workbench) -> None:
        blobs = bench.directory / "image/blobs/sha256"
        blobs.mkdir(parents=True)
        Builds.of(self, blobs / "layer")
        layer = add_blob(blobs, (blobs / "layer").read_bytes())
        (blobs / "layer").unlink()
        config = add_blob(blobs, b"{}")
        manifest = add_blob(blobs, json.dumps({"config": config, "layers": [layer]}).encode())
        (bench.directory / "image/index.json").write_text(json.dumps({"manifests": [manifest]}))


class QuickBill(parts.BillOfMaterials):
    @property
    def needs(self) -> list[str]:
        return ["wheels services"]

    def build(self, bench: parts.Workbench) -> None:
        Builds.of(self, bench.directory / "bundle.cdx.json")


def add_blob(blobs: Path, data: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    (blobs / digest).write_bytes(data)
    return {"digest": f"sha256:{digest}", "size": len(data)}


def content(name: str) -> str:
    return f"this is {name}\n"


def quick_parts(read: recipes.Recipes) -> list[parts.Part]:
    return [
        QuickWheels(read),
        *(QuickGo(name, read) for name in read.go),
        *(QuickImage(name, read) for name in read.images),
        QuickBill(read),
    ]


MakeBuilder = Callable[..., Builder]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeBuilder:
    """Returns a function that makes a Builder, with a lock that matches unless told otherwise."""
    Builds.broken, Builds.done = set(), []
    whole = recipes.load(SUPPLY)
    small = dataclasses.replace(
        whole,
        go={name: dataclasses.replace(whole.go[name], bundled=(), rename={}) for name in GO},
        images={name: whole.images[name] for name in IMAGES},
        rootfs={},
        pypi={},
        lock={name: {name: hashlib.sha256(content(name).encode()).hexdigest()} for name in GO},
    )
    monkeypatch.setattr(builder_module, "all_parts", quick_parts)

    def build(said: list[str] | None = None, cache: Path = tmp_path / "cache", **options: Any) -> Builder:
        read = dataclasses.replace(small, lock=options.pop("lock", small.lock))
        return Builder(read, cache, say=(said if said is not None else []).append, **options)

    return build


@pytest.fixture
def bundle(make: MakeBuilder) -> Path:
    """A bundle."""
    return make().ensure().path
