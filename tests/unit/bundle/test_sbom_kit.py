"""What a kit holds besides the bundle stands in its bill of materials: the kit itself is read, and compared."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from tests.kit_bill import left_out, without_licence
from tests.unit.bundle.copyright_file import READABLE

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import kit_export
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_contents import Contents
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_reader import unpack
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.sbom_kit import document

pytestmark = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="a kit is made on a Debian")

PROJECT = Path(__file__).parents[3]
# Package, version, and what it says of its licence: a text, or the package whose directory it links to.
PACKAGES = [
    ("tool", "2:1.0-1", f"{READABLE}License: GPL-2+ or Expat\n"),
    ("libtool", "1.0-1", "-> tool"),
    ("mute", "3", ""),
]
Tops = dict[str, Path]


def package(directory: Path, name: str, version: str, licence: str) -> str:
    """Make a package. Returns its stanza of an index."""
    tree = directory / "tree" / name
    docs = tree / "usr/share/doc"
    docs.mkdir(parents=True)
    if licence.startswith("-> "):
        (docs / name).symlink_to(licence.removeprefix("-> "))
    elif licence:
        (docs / name).mkdir()
        (docs / name / "copyright").write_text(licence)
    fields = f"Package: {name}\nVersion: {version}\nArchitecture: all\n"
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN/control").write_text(f"{fields}Maintainer: a <a@example.org>\nDescription: a tool\n")
    file = f"{name}_{version.partition(':')[2] or version}_all.deb"
    command = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(directory / file)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return f"{fields}Filename: ./{file}\nDescription: a tool\n of Debian\n"


@pytest.fixture
def tops(tmp_path: Path) -> Tops:
    """Directories as they become a kit's: two suites, wheels for two Pythons, the collection."""
    found = {name: tmp_path / "tops" / name for name in ("wheels", "debian", "collection")}
    for suite in ("bookworm", "trixie"):
        directory = found["debian"] / suite
        directory.mkdir(parents=True)
        stanzas = [package(directory, *each) for each in PACKAGES]
        (directory / "Packages").write_text("\n".join(stanzas))
        shutil.rmtree(directory / "tree")
    found["wheels"].mkdir()
    for python in ("cp311", "cp313"):
        with zipfile.ZipFile(found["wheels"] / f"some_thing-3.1-{python}-x.whl", "w") as archive:
            metadata = "Metadata-Version: 2.4\nName: some.thing\nVersion: 3.1\nLicense-Expression: MIT\n\nText\n"
            archive.writestr("some_thing-3.1.dist-info/METADATA", metadata)
            archive.writestr("tag", python)
        (found["wheels"] / f"requirements-{python}.txt").write_text("some-thing==3.1\n")
    found["collection"].mkdir()
    (found["collection"] / "istio_games-workshop-0.1.0.tar.gz").write_bytes(b"collection")
    return found


def components(text: str) -> dict[str, Any]:
    return {item["bom-ref"]: item for item in json.loads(text)["components"]}


def test_each_file_is_named_with_its_version_address_licence_and_sum(tops: Tops) -> None:
    text = document(tops, "0.1.0", 0)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    found = components(text)
    either = [{"license": {"id": "GPL-2.0-or-later"}}, {"license": {"id": "MIT"}}]
    unreadable = [{"license": {"name": "as in /usr/share/doc/mute/copyright"}}]
    thing = ("some.thing", "3.1", "pkg:pypi/some-thing@3.1", [{"license": {"id": "MIT"}}])
    wanted = {
        "wheels/some_thing-3.1-cp311-x.whl": thing,
        "wheels/some_thing-3.1-cp313-x.whl": thing,
        "collection/istio_games-workshop-0.1.0.tar.gz": (
            "istio_games.workshop", "0.1.0", None, [{"license": {"id": "GPL-3.0-or-later"}}],
        ),
    }  # fmt: skip
    for suite in ("bookworm", "trixie"):
        at = f"?arch=all&distro={suite}"
        wanted |= {
            f"debian/{suite}/tool_1.0-1_all.deb": ("tool", "2:1.0-1", f"pkg:deb/debian/tool@2:1.0-1{at}", either),
            f"debian/{suite}/libtool_1.0-1_all.deb": ("libtool", "1.0-1", f"pkg:deb/debian/libtool@1.0-1{at}", either),
            f"debian/{suite}/mute_3_all.deb": ("mute", "3", f"pkg:deb/debian/mute@3{at}", unreadable),
        }  # fmt: skip
    assert {
        ref: (item["name"], item["version"], item.get("purl"), item["licenses"]) for ref, item in found.items()
    } == wanted
    for ref, item in found.items():
        top, _, name = ref.partition("/")
        digest = hashlib.sha256((tops[top] / name).read_bytes()).hexdigest()
        assert item["hashes"] == [{"alg": "SHA-256", "content": digest}], ref


def test_the_same_packages_make_the_same_bytes(tops: Tops) -> None:
    assert document(tops, "0.1.0", 0) == document(tops, "0.1.0", 0)
    (tops["collection"] / "istio_games-workshop-0.1.0.tar.gz").write_bytes(b"another")
    assert document(tops, "0.1.0", 0) != document({**tops, "collection": tops["wheels"]}, "0.1.0", 0)


@pytest.fixture
def kit(tops: Tops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A whole kit, of which only what would be fetched is already there."""
    monkeypatch.setattr(Contents, "collection", lambda self: tops["collection"])
    monkeypatch.setattr(Contents, "debian", lambda self, suites, mirror: tops["debian"])
    monkeypatch.setattr(Contents, "wheels", lambda self, pythons: tops["wheels"])
    bundle = tmp_path / "0123456789abcdef"
    bundle.mkdir()
    (bundle / "lock.json").write_text("{}")
    file = tmp_path / "small.kit"
    request = kit_export.Request(file, ("bookworm", "trixie"))
    assert kit_export.export(request, PROJECT, bundle, tmp_path / "fetched", print)
    assert not kit_export.export(request, PROJECT, bundle, tmp_path / "fetched", print), "the very same kit again"
    return file


def read(kit: Path) -> tuple[Path, dict[str, Any]]:
    """Take a kit apart: its directories, and its bill of materials."""
    apart = kit.with_suffix(".apart")
    unpack(kit, {top: apart / top for top in ("wheels", "debian", "collection", "sbom")}, print)
    return apart, dict(json.loads((apart / "sbom/kit.cdx.json").read_text()))


def test_nothing_in_the_kit_is_left_out(kit: Path) -> None:
    apart, bill = read(kit)
    assert left_out(apart, bill) == []
    assert without_licence(bill) == []


@pytest.mark.parametrize(
    "ref",
    [
        "wheels/some_thing-3.1-cp311",
        "wheels/some_thing-3.1-cp313",
        "debian/bookworm/mute",
        "debian/trixie/tool",
        "collection/",
    ],
)
def test_what_is_left_out_would_be_seen(kit: Path, ref: str) -> None:
    apart, bill = read(kit)
    bill["components"] = [item for item in bill["components"] if not item["bom-ref"].startswith(ref)]
    assert [name for name in left_out(apart, bill) if not name.startswith(ref)] == []
    assert left_out(apart, bill) != []


def test_another_file_than_is_written_down_would_be_seen(kit: Path) -> None:
    apart, bill = read(kit)
    (apart / "debian/trixie/tool_1.0-1_all.deb").write_bytes(b"another")
    assert left_out(apart, bill) == ["debian/trixie/tool_1.0-1_all.deb"]


def test_a_licence_that_is_missing_would_be_seen(kit: Path) -> None:
    _, bill = read(kit)
    del bill["components"][0]["licenses"]
    assert without_licence(bill) == [bill["components"][0]["bom-ref"]]


def test_a_package_that_cannot_be_read_is_named(tops: Tops) -> None:
    file = tops["debian"] / "trixie/tool_1.0-1_all.deb"
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(
        BundleError, match=r"tool_1\.0-1_all\.deb cannot be read \(.*\): remove it, and make the kit again"
    ):
        document(tops, "0.1.0", 0)


def test_a_package_that_no_index_names_is_named(tops: Tops) -> None:
    (tops["debian"] / "trixie/Packages").write_text("")
    with pytest.raises(
        BundleError, match=r"Packages does not name \S+\.deb: remove \S+/trixie, and make the kit again"
    ):
        document(tops, "0.1.0", 0)
