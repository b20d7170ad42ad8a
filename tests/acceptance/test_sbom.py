"""The bills of materials are compared with what the bundle's images really hold, layer by layer."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import re
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from tests.acceptance.room import ROOT

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import contract, recipes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.builder import Builder

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "istio-workshop"
BUILDER = Builder(recipes.load(ROOT / "supply"), CACHE, say=print)
GO = BUILDER.directory("toolchain go") / "go/bin/go"
# What every package has in an image, installed or only unpacked.
LICENCE = re.compile(r"usr/share/doc/([^/]+)(/copyright)?")
Document = dict[str, Any]


@pytest.fixture(scope="module")
def bundle() -> Path:
    """This checkout's bundle, made where it is not there."""
    return BUILDER.ensure().path


def document(bundle: Path, name: str) -> Document:
    return dict(json.loads((bundle / f"sbom/{name}.cdx.json").read_text()))


def images(bundle: Path) -> Iterator[tuple[str, list[Path]]]:
    """Each image's name and layers."""

    def blob(digest: str) -> Path:
        return bundle / "images/blobs" / digest.replace(":", "/")

    for name, image in contract.read(bundle).images.items():
        manifest = json.loads(blob(image.digest).read_text())
        yield name, [blob(layer["digest"]) for layer in manifest["layers"]]


@cache
def held(layer: Path) -> frozenset[str]:
    """What is in a layer, as bills of materials name it: packages of Debian, modules of programs, files by sha256."""
    found = set()
    with tarfile.open(layer, "r:") as archive:
        entries = archive.getmembers()
        installed = [entry for entry in entries if entry.name == "var/lib/dpkg/status" and entry.size]
        debian = any(LICENCE.fullmatch(entry.name) for entry in entries)
        for entry in entries:
            stream = archive.extractfile(entry) if entry.isreg() else None
            if entry in installed and stream:
                found |= {
                    f"deb {name}" for name in re.findall(r"^Package: (\S+)", stream.read().decode(), re.MULTILINE)
                }
            elif not installed and (licence := LICENCE.fullmatch(entry.name)):
                found.add(f"deb {licence[1]}")
            elif not debian and stream:
                found |= set(of_file(stream.read(), layer.name))
    return frozenset(found)


def of_file(content: bytes, name: str) -> Iterator[str]:
    """A file that is of no Debian package, and what Go has linked it from."""
    yield f"sha256 {hashlib.sha256(content).hexdigest()}"
    if content.startswith(b"\x7fELF"):
        program = Path(f"/tmp/{name}-{os.getpid()}")
        program.write_bytes(content)
        asked = subprocess.run([GO, "version", "-m", program], capture_output=True, text=True, check=False)
        program.unlink()
        lines = [line.split("\t")[1:] for line in asked.stdout.splitlines() if line.startswith("\t")]
        modules = [line for line in lines if line[0] in ("mod", "dep", "=>")]
        for module, following in pairwise([*modules, [""]]):
            if following[0] != "=>" and module[2] != "(devel)":
                yield f"go {module[1]}@{module[2]}".lower()


def named(document: Document) -> set[str]:
    """What a document names, in the same words."""
    found = set()
    for item in document["components"]:
        found |= {f"sha256 {digest['content']}" for digest in item.get("hashes", [])}
        purl = unquote(item.get("purl", ""))
        if match := re.fullmatch(r"pkg:deb/debian/([^@]+)@.*", purl):
            found.add(f"deb {match[1]}")
        if match := re.fullmatch(r"pkg:golang/([^@]+@.*)", purl):
            found.add(f"go {match[1]}".lower())
    return found


def left_out(layers: list[Path], document: Document) -> set[str]:
    """What is in an image and not in its document."""
    return {item for layer in layers for item in held(layer)} - named(document)


@pytest.mark.ci
def test_nothing_in_an_image_is_left_out(bundle: Path) -> None:
    whole = document(bundle, "bundle")
    for name, layers in images(bundle):
        assert left_out(layers, document(bundle, name)) == set(), name
        assert left_out(layers, whole) == set(), name
    files = contract.read(bundle).files
    programs = {f"sha256 {file.sha256}" for name, file in files.items() if name.startswith(("bin/", "cni/", "wheels/"))}
    assert programs - named(whole) == set()


@pytest.mark.ci
def test_every_document_is_valid_and_names_a_licence_of_all(bundle: Path) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert {path.name.partition(".")[0] for path in (bundle / "sbom").iterdir()} == {
        "bundle", *contract.read(bundle).images
    }  # fmt: skip
    for path in sorted((bundle / "sbom").iterdir()):
        assert validator.validate_str(path.read_text()) is None, path.name
        without = [
            item["name"]
            for item in json.loads(path.read_text())["components"]
            if item["type"] != "container" and not item.get("licenses")
        ]
        assert without == [], path.name


def without(kind: Callable[[Mapping[str, Any]], bool]) -> Callable[[Document], Document]:
    """Take the first component of a kind out of a document."""

    def change(document: Document) -> Document:
        changed = copy.deepcopy(document)
        changed["components"].remove(next(filter(kind, changed["components"])))
        return changed

    return change


@pytest.mark.ci
@pytest.mark.parametrize(
    ("image", "change"),
    [
        ("coredns", without(lambda item: item.get("purl", "").startswith("pkg:golang/k8s.io/client-go"))),
        ("coredns", without(lambda item: item.get("purl", "").startswith("pkg:deb/"))),
        ("python", without(lambda item: item.get("purl", "").startswith("pkg:deb/debian/libssl"))),
        ("python", without(lambda item: item.get("purl", "").startswith("pkg:pypi/"))),
        ("proxyv2", without(lambda item: item["name"] == "envoy")),
        ("etcd", without(lambda item: item["bom-ref"] == "etcd/etcd")),
    ],
)
def test_what_is_left_out_would_be_seen(image: str, change: Callable[[Document], Document], bundle: Path) -> None:
    layers = dict(images(bundle))[image]
    assert left_out(layers, change(document(bundle, image))) != set()
