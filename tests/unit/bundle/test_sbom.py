"""Bills of materials: what stands in them, valid by CycloneDX's schema, the same bytes for the same bundle."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import tarfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from tests.unit.bundle.copyright_file import READABLE

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import recipes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.sbom_bundle import documents
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.sbom_licences import (
    of_debian,
    of_python,
    spdx_of_debian,
)

SUPPLY = Path(__file__).parents[3] / "supply"
# What `go version -m -json` says of a program, and that another file is none.
GO = """#!/bin/sh
case $4 in
  */etcd) cat <<'JSON'
{"Path": "go.etcd.io/etcd/server/v3",
 "Main": {"Path": "go.etcd.io/etcd/server/v3", "Version": "v3.6.8"},
 "Deps": [{"Path": "example.org/old", "Version": "v1.0.0",
           "Replace": {"Path": "example.org/new", "Version": "v2.0.0"}}]}
JSON
  ;;
  *) echo "no Go program" >&2; exit 1 ;;
esac
"""
KNOWN = {"go.etcd.io/etcd/server/v3 v3.6.8": "Apache-2.0", "example.org/new v2.0.0": "BSD-3-Clause AND MIT"}


def add(archive: tarfile.TarFile, name: str, text: str = "", link: str = "") -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.linkname = len(text), link
    entry.type = tarfile.SYMTYPE if link else tarfile.REGTYPE
    archive.addfile(entry, io.BytesIO(text.encode()))


@dataclasses.dataclass
class Parts:
    """Built parts of a few bytes."""

    directory: Path
    recipes: recipes.Recipes

    def documents(self, known: dict[str, str] = KNOWN) -> dict[str, str]:
        return dict(documents(self.recipes, {path.name: path for path in self.directory.iterdir()}, known))

    def file(self, part: str, name: str, text: str) -> Path:
        path = self.directory / part / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    """Of etcd, Envoy, a Debian system and a wheel, and of the images that etcd and the wheel are in."""
    read = recipes.load(SUPPLY)
    small = dataclasses.replace(
        read,
        go={"etcd": dataclasses.replace(read.go["etcd"], bundle="bin")},
        rootfs={"python": read.rootfs["python"]},
        images={name: read.images[name] for name in ("etcd", "python")},
    )
    made = Parts(tmp_path, small)
    made.file("toolchain go", "go/bin/go", GO).chmod(0o755)
    made.file("go etcd", "etcd", "a program")
    made.file("go etcd", "settings.json", "{}")
    made.file("pypi envoy", "envoy", "another program")
    made.file("debian python", "packages", "libtool\t2:1.0-3\tamd64\ntool\t1.0\tall\n")
    with tarfile.open(tmp_path / "debian python/layer.tar", "w") as layer:
        add(layer, "usr/share/doc/tool/copyright", f"{READABLE}License: GPL-2+ or Expat\n")
        add(layer, "usr/share/doc/libtool", link="tool")
    (tmp_path / "wheels services").mkdir()
    with zipfile.ZipFile(tmp_path / "wheels services/Some_Thing-3.1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("some_thing-3.1.dist-info/METADATA", "Name: Some_Thing\nVersion: 3.1\nLicense: MIT\n\nText")
    for name in small.images:
        digest = hashlib.sha256(name.encode()).hexdigest()
        made.file(f"image {name}", "image/index.json", json.dumps({"manifests": [{"digest": f"sha256:{digest}"}]}))
    return made


def components(text: str) -> dict[str, Any]:
    return {item["bom-ref"]: item for item in json.loads(text)["components"]}


def test_every_document_is_valid(parts: Parts) -> None:
    found = parts.documents()
    assert sorted(found) == ["bundle.cdx.json", "etcd.cdx.json", "python.cdx.json"]
    for text in found.values():
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_the_schema_would_refuse_something_else(parts: Parts) -> None:
    changed = json.loads(parts.documents()["etcd.cdx.json"])
    changed["components"][0]["type"] = "thing"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(changed)) is not None


def test_a_program_is_made_of_its_modules(parts: Parts) -> None:
    text = parts.documents()["etcd.cdx.json"]
    found = components(text)
    linked = {
        "pkg:golang/go.etcd.io/etcd/server/v3@v3.6.8": [{"license": {"id": "Apache-2.0"}}],
        "pkg:golang/example.org/new@v2.0.0": [{"expression": "BSD-3-Clause AND MIT"}],
        f"pkg:golang/stdlib@{parts.recipes.toolchain.version}": [{"license": {"id": "BSD-3-Clause"}}],
    }
    assert {ref: found[ref]["licenses"] for ref in found if ref != "etcd/etcd"} == linked
    assert found["etcd/etcd"]["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(b"a program").hexdigest()}]
    depends = {item["ref"]: item.get("dependsOn", []) for item in json.loads(text)["dependencies"]}
    assert depends["image etcd"] == ["etcd/etcd"]
    assert set(depends["etcd/etcd"]) == set(linked)


def test_an_image_names_its_packages_and_wheels_with_their_licences(parts: Parts) -> None:
    text = parts.documents()["python.cdx.json"]
    either = [{"license": {"id": "GPL-2.0-or-later"}}, {"license": {"id": "MIT"}}]
    assert {ref: item["licenses"] for ref, item in components(text).items()} == {
        "pkg:deb/debian/tool@1.0?arch=all&distro=bookworm": either,
        "pkg:deb/debian/libtool@2:1.0-3?arch=amd64&distro=bookworm": either,  # whose directory is a link
        "pkg:pypi/some-thing@3.1": [{"license": {"id": "MIT"}}],
    }
    root = json.loads(text)["metadata"]["component"]
    assert (root["type"], root["name"], root["version"]) == ("container", "localhost/workshop/python", "3.11-slim")
    assert root["hashes"][0]["content"] == hashlib.sha256(b"python").hexdigest()


def test_the_bundle_names_all_of_it_once(parts: Parts) -> None:
    found = parts.documents()
    whole = json.loads(found["bundle.cdx.json"])
    refs = [item["bom-ref"] for item in whole["components"]]
    assert len(refs) == len(set(refs))
    assert set(refs) >= {*components(found["etcd.cdx.json"]), *components(found["python.cdx.json"]), "image etcd"}
    depends = {item["ref"]: item.get("dependsOn", []) for item in whole["dependencies"]}
    assert set(depends["bundle"]) == {
        *("image etcd", "image python", "etcd/etcd", "etcd/settings.json", "pkg:pypi/some-thing@3.1")
    }


def test_the_same_bundle_makes_the_same_bytes_and_another_one_does_not(parts: Parts) -> None:
    found = parts.documents()
    assert parts.documents() == found
    parts.file("go etcd", "etcd", "another program")
    changed = parts.documents()
    assert changed["python.cdx.json"] == found["python.cdx.json"]
    assert json.loads(changed["etcd.cdx.json"])["serialNumber"] != json.loads(found["etcd.cdx.json"])["serialNumber"]


def test_a_module_without_a_licence_is_named(parts: Parts) -> None:
    with pytest.raises(BundleError, match=r"example\.org/new v2\.0\.0 is known: type scripts/list_go_licences"):
        parts.documents({"go.etcd.io/etcd/server/v3 v3.6.8": "Apache-2.0"})


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (f"{READABLE}License: GPL-2+ or Expat\n", ["GPL-2.0-or-later", "MIT"]),
        (f"{READABLE}License: LGPL-2.1+\n\nFiles: a\nLicense: public-domain\n", ["LGPL-2.1-or-later", "public-domain"]),
        (f"{READABLE}License: BSD-3-clause, ISC and GPL-3\n text\n", ["BSD-3-clause", "GPL-3.0-only", "ISC"]),
        ("This package was debianized by somebody.\nLicense: GPL\n", ["as in /usr/share/doc/tool/copyright"]),
        ("", ["as in /usr/share/doc/tool/copyright"]),
    ],
)
def test_licences_are_read_from_copyright_files(text: str, names: list[str]) -> None:
    assert of_debian("tool", text) == names


@pytest.mark.parametrize(
    ("name", "spdx"),
    [
        ("GPL-2", "GPL-2.0-only"),
        ("GPL-2+", "GPL-2.0-or-later"),
        ("GPL-3.0+", "GPL-3.0-or-later"),
        ("LGPL-2.1", "LGPL-2.1-only"),
        ("AGPL-3", "AGPL-3.0-only"),
        ("GFDL-1.3+", "GFDL-1.3-or-later"),
        ("Expat", "MIT"),
        ("Apache-2.0", "Apache-2.0"),
    ],
)
def test_debians_names_become_spdx(name: str, spdx: str) -> None:
    assert spdx_of_debian(name) == spdx


@pytest.mark.parametrize(
    ("metadata", "names"),
    [
        ("License-Expression: MIT OR Apache-2.0\nLicense: x", ["MIT OR Apache-2.0"]),
        ("License: BSD-3-Clause", ["BSD-3-Clause"]),
        ("License: Apache License, Version 2.0", ["Apache-2.0"]),
        ("Classifier: License :: OSI Approved :: MIT License", ["MIT"]),
        ("Classifier: License :: OSI Approved :: BSD License", ["BSD License"]),
        ("License: Permission is hereby granted,\n  and so on\nClassifier: Topic :: x", ["NOASSERTION"]),
    ],
)
def test_licences_are_read_from_wheels(metadata: str, names: list[str]) -> None:
    assert of_python(HeaderParser().parsestr(metadata)) == names


def test_every_known_licence_is_one_of_a_module_that_is_pinned() -> None:
    pinned = set()
    for file in [*SUPPLY.glob("go/*/go.sum"), SUPPLY / "go/go.work.sum"]:
        pinned |= {" ".join(line.split()[:2]).removesuffix("/go.mod") for line in file.read_text().splitlines()}
    known = yaml.safe_load((SUPPLY / "licences.yml").read_text())
    assert len(known) > 400
    assert set(known) <= pinned
