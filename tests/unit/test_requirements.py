"""What pip installs is pinned by hash, agrees everywhere, and satisfies collections/requirements.yml."""

from __future__ import annotations

import importlib.metadata
import json
import re
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

import ansible_collections

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ["run", "test"]
REQUIREMENT = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)


def pins(lock: Path) -> dict[str, str]:
    return {name.lower(): version for name, version in REQUIREMENT.findall(lock.read_text())}


def read_lock(name: str) -> dict[str, str]:
    return pins(ROOT / "requirements" / f"{name}.txt")


def collection_ranges() -> dict[str, str]:
    wanted = yaml.safe_load((ROOT / "collections" / "requirements.yml").read_text())
    return {item["name"]: item["version"] for item in wanted["collections"]}


def service_locks() -> list[Path]:
    return sorted(ROOT.glob("services/*/*/requirements.txt"))


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_pinned_with_hashes(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", " ")
    requirements = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert len(requirements) > 20
    unpinned = [line for line in requirements if not REQUIREMENT.match(line) or "--hash=sha256:" not in line]
    assert not unpinned


@pytest.mark.parametrize("name", LOCKS)
def test_no_package_index_is_named(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert "://" not in text
    assert "--index-url" not in text
    assert "--find-links" not in text


@pytest.mark.parametrize("package", ["ansible-core", "kubernetes", "openshift", "flask", "molecule"])
def test_core_packages_are_pinned(package: str) -> None:
    assert package in read_lock("test")


def test_running_and_testing_use_the_same_versions() -> None:
    run, test = read_lock("run"), read_lock("test")
    assert {name: test.get(name) for name in run} == run


@pytest.mark.parametrize("package", ["ansible-core", "kubernetes", "openshift", "molecule"])
def test_what_is_installed_is_what_is_pinned(package: str) -> None:
    assert importlib.metadata.version(package) == read_lock("test")[package], "run: make venv"


@pytest.mark.parametrize("lock", service_locks(), ids=lambda path: path.parent.name)
def test_services_are_tested_with_the_versions_in_their_images(lock: Path) -> None:
    tested = read_lock("test")
    assert {name: tested.get(name) for name in pins(lock)} == pins(lock), "run: make deps"


@pytest.mark.parametrize(("collection", "wanted"), collection_ranges().items())
def test_installed_collections_satisfy_the_requirements(collection: str, wanted: str) -> None:
    manifest = Path(ansible_collections.__path__[0], *collection.split("."), "MANIFEST.json")
    installed = json.loads(manifest.read_text())["collection_info"]["version"]
    assert installed in SpecifierSet(wanted)


def test_galaxy_names_the_same_collections() -> None:
    assert yaml.safe_load((ROOT / "galaxy.yml").read_text())["dependencies"] == collection_ranges()


def test_pinned_ansible_is_one_that_the_collection_allows() -> None:
    allowed = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["requires_ansible"]
    assert read_lock("run")["ansible-core"] in SpecifierSet(allowed)


def test_this_checkout_is_the_installed_collection() -> None:
    link = Path(ansible_collections.__path__[0], "istio_games", "workshop")
    assert link.resolve() == ROOT, "run: make venv"
