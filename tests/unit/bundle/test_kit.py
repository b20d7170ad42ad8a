"""A kit is taken whole, or refused in one sentence before anything is changed."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.small_kit import PROJECT, SmallKit

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import kit_writer
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit import KitError, Member, Piece, parse
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_contents import for_python
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_reader import unpack
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_signature import SUFFIX
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_use import Source
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_writer import ZSTD, Found


@pytest.fixture
def bench(tmp_path: Path) -> SmallKit:
    return SmallKit.make(tmp_path)


def test_what_was_put_in_comes_out(bench: SmallKit) -> None:
    taken = bench.take(bench.file)
    assert taken.changed
    for top, directory in {"bundle": taken.bundle, "wheels": taken.extras / "wheels"}.items():  # type: ignore[operator]
        done = subprocess.run(["diff", "--recursive", "--no-dereference", bench.tops[top], directory], check=False)
        assert done.returncode == 0
    assert (taken.bundle / "bin/kubectl").readlink() == Path("kubernetes")
    assert os.access(taken.bundle / "bin/kubernetes", os.X_OK)
    assert not os.access(taken.bundle / "lock.json", os.X_OK)


def test_a_program_that_stands_in_a_layer_is_stored_once(bench: SmallKit) -> None:
    members = {member.name: member for member in bench.manifest.members}
    (piece,) = members["bundle/bin/kubernetes"].pieces
    assert piece.holder is not None
    assert bench.manifest.members[piece.holder].name == "bundle/images/blobs/sha256/layer"
    assert not members["bundle/bin/kubernetes"].has_entry
    # The other layer is a file of its own, and the program once more.
    assert [piece.holder is None for piece in members["bundle/images/blobs/sha256/other"].pieces] == [True, False, True]
    assert bench.file.stat().st_size < 1.1 * (1 << 21)


def test_what_stands_in_a_layer_is_found_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own bytes before, between and after what earlier members hold, and one that overlaps, which is not taken."""
    monkeypatch.setattr(kit_writer, "_WORTH_LOOKING", 1)
    inside = [Found("a", 1, 3), Found("unknown", 4, 2), Found("b", 6, 2), Found("a", 7, 3)]
    pieces = kit_writer._pieces(12, inside, {"a": (5, 100), "b": (2, 7)})
    assert pieces == (Piece(1), Piece(3, 5, 100), Piece(2), Piece(2, 2, 7), Piece(4))
    assert kit_writer._pieces(12, inside, {}) == ()


@pytest.mark.parametrize(
    ("field", "written"),
    [("sha256", True), ("own", True), ("own", False)],  # of what is not written, the kit's own bytes are looked at
)
def test_what_is_not_what_the_manifest_says_is_refused(
    bench: SmallKit, field: str, written: bool, tmp_path: Path
) -> None:
    members = [
        dataclasses.replace(member, **{field: "0" * 64})  # type: ignore[arg-type]
        if member.name.endswith("/other")
        else member
        for member in bench.manifest.members
    ]
    bench.write(members=tuple(members))
    with pytest.raises(KitError, match="other is not what the manifest says"):
        unpack(bench.file, {"bundle": tmp_path / "there"} if written else {}, print)


def test_the_second_time_nothing_changes(bench: SmallKit) -> None:
    bench.take(bench.file)
    before = bench.state()
    assert not bench.take(bench.file).changed
    assert bench.state() == before


def test_the_same_files_make_the_same_bytes(bench: SmallKit) -> None:
    first = bench.file.read_bytes()
    assert bench.write().read_bytes() == first


def test_check_mode_writes_nothing_and_says_so(bench: SmallKit) -> None:
    assert bench.take(bench.file, check_mode=True).changed
    assert bench.state() == []


def test_a_damaged_bundle_in_the_cache_is_replaced(bench: SmallKit) -> None:
    bundle = bench.take(bench.file).bundle
    (bundle / "bin/kubernetes").write_bytes(b"other")

    def verify(path: Path) -> None:
        if (path / "bin/kubernetes").stat().st_size < 1000:
            raise WorkshopError("cut")

    assert bench.use(verify).take(Source(str(bench.file))).changed
    assert (bundle / "bin/kubernetes").stat().st_size == 1 << 21


def test_a_bundle_that_its_lock_refuses_is_not_put_in_place(bench: SmallKit) -> None:
    def verify(path: Path) -> None:
        raise WorkshopError("not what its lock says")

    with pytest.raises(WorkshopError, match="not what its lock says"):
        bench.use(verify).take(Source(str(bench.file)))
    assert bench.state() == []


@pytest.mark.parametrize("place", range(20))
def test_a_kit_that_is_cut_is_refused(bench: SmallKit, place: int) -> None:
    data = bench.file.read_bytes()
    bench.file.write_bytes(data[: random.Random(place).randrange(len(data))])
    refused(bench, r"is cut or changed|is no kit", bench.file)


@pytest.mark.parametrize("place", range(20))
def test_a_kit_with_one_bit_flipped_is_refused(bench: SmallKit, place: int) -> None:
    noise, data = random.Random(place), bytearray(bench.file.read_bytes())
    data[noise.randrange(len(data)) if place else 4] ^= 1 << (noise.randrange(8) if place else 4)
    bench.file.write_bytes(data)
    refused(bench, r"is cut or changed|is no kit|is damaged", bench.file)


def refused(bench: SmallKit, said: str, kit: Path | str, key: str = "") -> None:
    """The kit is refused in one sentence that says this, and nothing was changed."""
    before = bench.state()
    with pytest.raises(KitError, match=said) as error:
        bench.take(kit, key)
    assert "\n" not in str(error.value)
    assert bench.state() == before


def test_a_damaged_one_is_refused_also_when_a_good_one_was_taken(bench: SmallKit) -> None:
    bench.take(bench.file)
    bench.file.write_bytes(bench.file.read_bytes()[:-1])
    refused(bench, "is cut or changed", bench.file)


def test_something_behind_the_end_is_refused(bench: SmallKit) -> None:
    for more in (b"more", subprocess.run(ZSTD, input=b"more", capture_output=True, check=True).stdout):
        bench.write()
        bench.file.write_bytes(bench.file.read_bytes() + more)
        refused(bench, "is cut or changed", bench.file)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": "0.0.9"}, r"is a kit of version 0\.0\.9, and this project is version"),
        ({"architecture": "riscv64"}, "is a kit for riscv64, and this machine is"),
        ({"pins": "0" * 64}, "pins other versions of what a room is made of"),
        ({"bundle": "f" * 16}, "holds the bundle '0123456789abcdef', and its manifest says f"),
    ],
)
def test_a_kit_for_somebody_else_is_refused(bench: SmallKit, changes: dict[str, object], said: str) -> None:
    refused(bench, said, bench.write(**changes))


def test_what_is_no_kit_is_refused(bench: SmallKit) -> None:
    other = bench.directory / "other"
    refused(bench, "is a directory, and a kit is one file", bench.directory)
    refused(bench, r"cannot be read \(No such file or directory\)", bench.directory / "none.kit")
    other.write_text("something else")
    refused(bench, "is no kit", other)
    other.write_bytes(b"")
    refused(bench, "is no kit", other)
    other.write_bytes(subprocess.run(ZSTD, input=b"something else", capture_output=True, check=True).stdout)
    refused(bench, "is cut or changed|is no kit", other)


def test_signatures(bench: SmallKit) -> None:
    good = bench.sign()
    assert bench.take(bench.file, good).changed
    shutil.rmtree(bench.directory / "cache")
    shutil.rmtree(bench.directory / "extras")
    signature = bench.file.with_name(bench.file.name + SUFFIX)
    kept = signature.read_text()
    bench.sign("other")
    refused(bench, "was signed by another key", bench.file, good)
    signature.write_text(kept)
    refused(bench, "was signed by another key", bench.file, str(bench.directory / "other.pub"))
    signature.write_text(kept.replace("file:small.kit", "file:other.kit"))
    refused(bench, "is not what was signed", bench.file, good)
    signature.write_text("no signature")
    refused(bench, "is no signature of minisign", bench.file, good)
    signature.write_text(kept)
    bench.write(suites={"trixie": "3.13"})
    refused(bench, "is not what was signed", bench.file, good)
    signature.unlink()
    refused(bench, "is not signed", bench.file, good)
    refused(bench, "must be a public key of minisign", bench.file, "nonsense")


def test_no_space_is_found_before_anything_is_written(bench: SmallKit, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil.disk_usage(bench.directory)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    refused(bench, r"No space for what .* MB are needed in .*, and 0 MB are free", bench.file)


@pytest.mark.parametrize(
    "member",
    [
        {"name": "bundle/../../etc/passwd", "sha256": "0" * 64},
        {"name": "/etc/passwd", "sha256": "0" * 64},
        {"name": "bundle/a", "link": "/etc/passwd"},
        {"name": "bundle/a", "link": "../a"},
        {"name": "bundle/a"},
        {"name": "a", "sha256": "0" * 64},
        {"name": "bundle/a", "sha256": "0" * 64, "unknown": 1},
        {"name": "bundle/a", "sha256": "0" * 64, "size": 2, "pieces": [[1]]},
        {"name": "bundle/a", "sha256": "0" * 64, "size": 0, "pieces": [[0]]},
        {"name": "bundle/a", "sha256": "0" * 64, "size": 1, "pieces": [[1, -1, 0]]},
        {"name": "bundle/a", "sha256": "0" * 64, "size": 1, "pieces": [[1, 99, 0]]},
        {"name": "bundle/a", "sha256": "0" * 64, "size": 1, "pieces": [[1, 0, -1]]},
        {"name": "bundle/a", "sha256": "0" * 64, "size": 1, "pieces": [[1, 0, 1 << 40]]},
        {"name": "wheels/a", "sha256": "0" * 64, "size": 1, "pieces": [[1, 0, 0]]},
        {"name": "bundle/a", "sha256": "0" * 64, "size": 1, "pieces": [["1"]]},
    ],
)
def test_a_manifest_leads_nowhere_else(bench: SmallKit, member: dict[str, object]) -> None:
    data = json.loads(bench.manifest.dump())
    data["members"].append(member)
    with pytest.raises(KitError, match="its manifest cannot be read"):
        parse(json.dumps(data).encode(), "x.kit")


def test_a_manifest_of_another_schema_is_refused(bench: SmallKit) -> None:
    text = bench.manifest.dump().replace(b'"schema": 2', b'"schema": 1')
    with pytest.raises(KitError, match="is a kit of schema 1, and this project reads schema 2"):
        parse(text, "x.kit")
    assert parse(bench.manifest.dump(), "x.kit") == bench.manifest


def test_nothing_but_pythons_own_library_is_needed_to_take_a_kit(bench: SmallKit) -> None:
    """A fresh machine has nothing else (-S: no site-packages)."""
    done = subprocess.run(
        ["/usr/bin/python3", "-I", "-S", PROJECT / "scripts/take_kit.py", "-e", "workshop_kit=/none"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("The kit /none cannot be read")


def test_apt_reads_a_kit_where_there_is_no_zstd(bench: SmallKit, monkeypatch: pytest.MonkeyPatch) -> None:
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name, *rest, **more: None if name == "zstd" else which(name))
    if not Path("/usr/lib/apt/apt-helper").exists():
        pytest.skip("this machine has no apt")
    assert bench.take(bench.file).changed
    bench.file.write_bytes(bench.file.read_bytes()[:-100])
    refused(bench, "is cut or changed", bench.file)


def test_a_requirements_file_is_read_for_one_python() -> None:
    text = (
        "# by hand\n"
        "numpy==2.4.6 ; python_full_version < '3.12' \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
        "    # via scipy\n"
        "numpy==2.5.5 ; python_full_version >= '3.12' \\\n    --hash=sha256:cc\n"
        "six==1.17.0 \\\n    --hash=sha256:dd\n"
    )
    assert for_python(text, "3.11") == "numpy==2.4.6 --hash=sha256:aa --hash=sha256:bb\nsix==1.17.0 --hash=sha256:dd\n"
    assert for_python(text, "3.13") == "numpy==2.5.5 --hash=sha256:cc\nsix==1.17.0 --hash=sha256:dd\n"


def test_a_member_says_where_it_is() -> None:
    assert Member("bundle/bin/a", 1, "0" * 64).top == "bundle"
    assert not Member("bundle/a", link="b").has_entry
