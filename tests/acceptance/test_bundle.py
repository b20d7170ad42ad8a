"""A bundle that is wrong is refused by name and made again, from parts that are looked at as well.

The cache is this machine's own, by hard links: what a test damages is a copy first, so that nothing of the real one is.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.room import Room

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import contract

ROOM = Room("contract", api_port=28543, registry_port=32420, front_port=30400, webui_port=30900)
REAL = Path(os.environ.get("XDG_CACHE_HOME") or f"{os.environ['HOME']}/.cache") / "istio-workshop"
BUNDLE = "playbooks/bundle.yml"


@pytest.fixture
def room_with_a_node(tmp_path: Path) -> Iterator[Path]:
    """A room whose one node has left its volume alone, made of a bundle of another Kubernetes."""
    (tmp_path / "lock.json").write_text(json.dumps({"parts": [{"name": "go kubernetes", "version": "1.35.0"}]}))
    volume = f"{ROOM.name}-control-plane"
    shutil.rmtree(ROOM.state, ignore_errors=True)
    ROOM.state.mkdir(parents=True)
    (ROOM.state / "bundle").symlink_to(tmp_path)
    subprocess.run(["podman", "volume", "create", f"--label=istio-workshop={ROOM.name}", volume], check=True)
    try:
        yield tmp_path
    finally:
        subprocess.run(["podman", "volume", "rm", "--force", volume], check=True)
        shutil.rmtree(ROOM.state)


@pytest.mark.ci
@pytest.mark.parametrize("options", [[], ["--check"]])
def test_a_room_with_nodes_is_refused_half_an_upgrade(options: list[str], room_with_a_node: Path) -> None:
    refused = ROOM.play(BUNDLE, *options)
    assert refused.code != 0
    assert refused.is_plain
    said = " ".join(refused.output.split())
    assert "The room runs Kubernetes 1.35.0, and the bundle holds Kubernetes 1.36.3: nothing was changed" in said
    # The room is named where another one would be meant without.
    assert re.search(r'Type make down( ARGS="[^"]+")? and then make up', said)
    assert refused.changed == 0
    assert [path.name for path in ROOM.state.iterdir()] == ["bundle"]
    assert (ROOM.state / "bundle").readlink() == room_with_a_node


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache with this machine's parts, and the bundle of this checkout, made where it is not there."""
    made = ROOM.must(BUNDLE)
    assert made.is_plain
    real = (ROOM.state / "bundle").resolve()
    assert real.parent.parent == REAL
    copy = REAL.parent / f"istio-workshop-test-{os.getpid()}"
    try:
        for name in ("parts", f"bundles/{real.name}"):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-al", REAL / name, copy / name], check=True)
        (copy / "CACHEDIR.TAG").write_text((REAL / "CACHEDIR.TAG").read_text())
        yield copy
        contract.verify(real)
    finally:
        shutil.rmtree(copy, ignore_errors=True)
        ROOM.play("playbooks/teardown.yml")


def bundle_of(cache: Path) -> Path:
    (path,) = (cache / "bundles").iterdir()
    return path


def own(file: Path) -> Path:
    """The file as one of its own, no longer the real cache's too."""
    copy = file.with_name("copy")
    shutil.copy2(file, copy)
    copy.replace(file)
    return file


def cut_blob(bundle: Path) -> str:
    blob = max((bundle / "images/blobs/sha256").iterdir(), key=lambda path: path.stat().st_size)
    os.truncate(own(blob), blob.stat().st_size // 2)
    return f"images/blobs/sha256/{blob.name} is cut"


def replaced_kubectl(bundle: Path) -> str:
    (bundle / "bin/kubectl").unlink()
    (bundle / "bin/kubectl").write_text("#!/bin/sh\necho replaced\n")
    return "bin/kubectl is no link"


def empty_directory(bundle: Path) -> str:
    shutil.rmtree(bundle)
    bundle.mkdir()
    return "is an empty directory"


def another_lock(bundle: Path) -> str:
    lock = json.loads((bundle / "lock.json").read_text())
    (bundle / "lock.json").unlink()
    (bundle / "lock.json").write_text(json.dumps(lock | {"supply": "0" * 64}))
    return "was made of other pins, recipes or sums than this checkout has"


def cut_part(bundle: Path) -> str:
    """The program that a node gets is cut, in the bundle and in the part that it comes from."""
    # A cache may still have those of other pins.
    for part in (bundle.parents[1] / "parts").glob("debian-catatonit-*/layer.tar"):
        os.truncate(own(part), 1000)
    return empty_directory(bundle)


@pytest.mark.parametrize(
    ("damage", "built"),
    [
        (cut_blob, ""),
        (replaced_kubectl, ""),
        (empty_directory, ""),
        (another_lock, ""),
        (cut_part, "debian catatonit"),
    ],
)
def test_what_is_wrong_is_refused_by_name_and_made_again(
    damage: Callable[[Path], Any], built: str, cache: Path
) -> None:
    bundle = bundle_of(cache)
    arguments = ("-e", f"workshop_cache_dir={cache}")
    ROOM.must(BUNDLE, *arguments)
    said = damage(bundle)
    refused = ROOM.play(BUNDLE, *arguments, "-e", "workshop_supply=cache")
    assert refused.code != 0
    assert said in refused.output
    verified = ROOM.play("playbooks/bundle_verify.yml", *arguments)
    assert (verified.code == 0) == (damage is another_lock)  # its lock alone is believed there
    made = ROOM.must(BUNDLE, *arguments)  # what was refused is not remembered
    assert said in made.output
    assert "It is made again." in made.output
    if built:
        assert f"{built} is built again" in made.output
    contract.verify(bundle)
    again = " ".join(ROOM.must("playbooks/bundle_verify.yml", *arguments).output.split())
    assert "is what its lock.json says" in again
    assert ROOM.must(BUNDLE, *arguments).changed == 0
