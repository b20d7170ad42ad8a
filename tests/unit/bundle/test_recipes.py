"""supply/ is read completely, and what is wrong in it is named."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import recipes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.parts import all_parts

SUPPLY = Path(__file__).parents[3] / "supply"


@pytest.fixture
def supply(tmp_path: Path) -> Path:
    """A copy of the supply directory, to spoil."""
    return Path(shutil.copytree(SUPPLY, tmp_path / "supply"))


def change(file: Path, *keys: str, value: object) -> None:
    data = yaml.safe_load(file.read_text())
    item = data
    for key in keys[:-1]:
        item = item[key]
    item[keys[-1]] = value
    file.write_text(yaml.safe_dump(data))


def keys(supply: Path, machine: str = "", mirror: str = "") -> dict[str, str]:
    """The key of every part."""
    found: dict[str, str] = {}
    for part in all_parts(recipes.load(supply, mirror, machine)):
        found[part.name] = part.key(found)
    return found


def test_versions_come_from_go_mod() -> None:
    loaded = recipes.load(SUPPLY)
    assert loaded.versions["kubernetes"] == "1.36.3"
    assert loaded.expand("v{kubernetes}-{etcd}") == f"v{loaded.versions['kubernetes']}-{loaded.versions['etcd']}"


def test_the_go_parts_are_compiled_with_one_version_of_each_module(supply: Path) -> None:
    go_mod = supply / "go" / "coredns" / "go.mod"
    text = go_mod.read_text()
    assert "\tgoogle.golang.org/grpc v1." in text
    go_mod.write_text(text.replace("\tgoogle.golang.org/grpc v1.", "\tgoogle.golang.org/grpc v1.9", 1))
    with pytest.raises(
        BundleError, match=r"google\.golang\.org/grpc is v.* in .*/go\.mod.*: type scripts/align_go_versions"
    ):
        recipes.load(supply)


def test_every_go_part_is_in_the_workspace_and_its_packages_are_known() -> None:
    loaded = recipes.load(SUPPLY)
    workspace = (SUPPLY / "go/go.work").read_text()
    assert set(re.findall(r"^\t\./(\S+)$", workspace, re.MULTILINE)) == set(loaded.go)
    for name, commands in loaded.commands.items():
        assert (commands == ["."]) == (SUPPLY / "go" / name / "main.go").exists(), name
    assert loaded.commands["etcd"] == ["go.etcd.io/etcd/server/v3"]
    assert len(loaded.commands["istio"]) == 5


@pytest.mark.parametrize("machine", ["aarch64", "riscv64", "armv7l"])
def test_an_architecture_that_is_not_pinned_is_refused_in_one_sentence(machine: str) -> None:
    with pytest.raises(
        BundleError, match=f"This machine is {machine}, and the bundle is pinned for x86_64: .*"
    ) as refused:
        recipes.load(SUPPLY, machine=machine)
    assert "\n" not in str(refused.value)


def test_an_architecture_is_pinned_everywhere() -> None:
    pins = yaml.safe_load((SUPPLY / "pins.yml").read_text())
    lock = yaml.safe_load((SUPPLY / "lock.yml").read_text())
    wanted = set(pins["architectures"])
    assert {frozenset(pin["sha256"]) for pin in (pins["toolchain"], *pins["pypi"].values())} == {frozenset(wanted)}
    assert set(lock) == wanted


def test_an_architecture_decides_every_key(supply: Path) -> None:
    pins = yaml.safe_load((supply / "pins.yml").read_text())
    pins["architectures"]["aarch64"] = {"go": {"GOARCH": "arm64"}, "debian": "arm64", "wheels": ["any"]}
    for pin in (pins["toolchain"], *pins["pypi"].values()):
        pin["sha256"]["aarch64"] = "00"
    (supply / "pins.yml").write_text(yaml.safe_dump(pins))
    one, other = (keys(supply, machine) for machine in ("x86_64", "aarch64"))
    assert [name for name in one if one[name] == other[name]] == []


def test_a_mirror_does_not_decide_what_a_part_is(supply: Path) -> None:
    assert keys(supply, mirror="http://mirror.example/debian") == keys(supply)


def test_every_part_comes_after_what_it_needs() -> None:
    seen: set[str] = set()
    for part in all_parts(recipes.load(SUPPLY)):
        assert set(part.needs) <= seen, part.name
        seen.add(part.name)


def test_every_go_part_is_locked() -> None:
    loaded = recipes.load(SUPPLY)
    assert set(loaded.lock) == set(loaded.go)


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        (("images", "etcd", "fils"), {}, "images.etcd: unknown key 'fils'"),
        (("images", "etcd", "files"), {"/x": "etdc/etcd"}, "no part is called 'etdc'"),
        (("images", "etcd", "rootfs"), "sid", "no root file system is called 'sid'"),
        (("images", "etcd", "from"), "node", "no earlier image is called 'node'"),
        (("images", "etcd", "config"), {"entrypiont": ["etcd"]}, "images.etcd: unknown setting 'entrypiont'"),
        (("images", "busybox", "applets"), "/bin/busybox", "images.busybox: unknown key 'applets'"),
        (("go", "cni", "module"), "example.org/cni", "no go.mod requires example.org/cni"),
    ],
)
def test_a_mistake_in_a_recipe_is_named(supply: Path, keys: tuple[str, ...], value: object, said: str) -> None:
    change(supply / "recipes.yml", *keys, value=value)
    with pytest.raises(BundleError, match=said):
        recipes.load(supply)


def test_a_missing_file_is_named(supply: Path) -> None:
    (supply / "go" / "etcd" / "go.mod").unlink()
    with pytest.raises(BundleError, match=r"etcd/go\.mod cannot be read"):
        recipes.load(supply)


@pytest.mark.parametrize("changed", ["go/cni/go.sum", "go/cni/go.mod"])
def test_what_is_made_of_changed_sources_has_a_new_key_and_nothing_else(supply: Path, changed: str) -> None:
    before = keys(supply)
    with (supply / changed).open("a") as file:
        file.write("\n")
    after = keys(supply)
    assert {name for name in before if before[name] != after[name]} == {"go cni", "sbom bundle"}
