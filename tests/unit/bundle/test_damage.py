"""What is wrong in a cache is named and made again; two users may share one."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.bundle.conftest import Builds, MakeBuilder

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import builder as builder_module
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import contract
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError

OTHER = "0" * 64


def replaced(file: Path, text: str = "x") -> None:
    mode = file.stat().st_mode & 0o777
    file.unlink()
    file.write_text(text)
    file.chmod(mode)


def cut_in_place(file: Path) -> None:
    """Of all its hard links: the part in the cache is cut too."""
    os.truncate(file, 3)


def emptied(path: Path) -> None:
    shutil.rmtree(path)
    path.mkdir()


def relabelled(path: Path) -> None:
    text = (path / "lock.json").read_text().replace(contract.read(path).supply, OTHER)
    (path / "lock.json").write_text(text)


def forged(path: Path) -> None:
    """Another program, and a lock that lists it."""
    replaced(path / "bin/kubernetes", "forged")
    files, links = contract.listing(path)
    lock = contract.read(path)
    (path / "lock.json").write_text(contract.Lock(**{**vars(lock), "files": files, "links": links}).text)


@pytest.mark.parametrize(
    ("damage", "said", "built"),
    [
        (lambda path: replaced(path / "bin/kubernetes"), "bin/kubernetes is cut", []),
        (lambda path: cut_in_place(path / "bin/kubernetes"), "bin/kubernetes is cut", ["go kubernetes"]),
        (lambda path: cut_in_place(path / "wheels/flask-3.whl"), "flask-3.whl is cut", ["wheels services"]),
        (lambda path: (path / "bin/kubectl").unlink(), "bin/kubectl is missing", []),
        (emptied, "is an empty directory", []),
        (relabelled, "was made of other pins, recipes or sums", []),
        (forged, "bin/kubernetes is not what supply/lock.yml says", []),
        (lambda path: (path / "lock.json").unlink(), "has no lock.json", []),
    ],
)
def test_a_bundle_that_is_wrong_is_named_and_made_again(
    damage: Callable[[Path], Any], said: str, built: list[str], make: MakeBuilder, tmp_path: Path
) -> None:
    first = make(stamp=tmp_path / "stamp").ensure()
    damage(first.path)
    lines: list[str] = []
    again = make(lines, stamp=tmp_path / "stamp").ensure()
    assert (again.path, again.changed, list(again.built)) == (first.path, True, built)
    named = next(line for line in lines if line.endswith("It is made again."))
    assert said in named
    contract.verify(again.path)
    assert not list((tmp_path / "cache/building").glob("refused-*"))
    assert not make(stamp=tmp_path / "stamp").ensure().changed


def test_a_cut_blob_is_cut_in_its_part_too(make: MakeBuilder) -> None:
    first = make().ensure()
    layer = max((first.path / "images/blobs/sha256").iterdir(), key=lambda file: file.read_bytes().startswith(b"this"))
    cut_in_place(layer)
    lines: list[str] = []
    assert len(make(lines).ensure().built) == 1
    assert any(f"images/blobs/sha256/{layer.name} is cut" in line for line in lines)
    assert any("was cut or changed. image " in line and line.endswith("is built again.") for line in lines)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda part: cut_in_place(part / "etcd"), "etcd was cut or changed. go etcd is built again."),
        (lambda part: (part / "etcd").unlink(), "etcd is missing. go etcd is built again."),
        (lambda part: (part / "guest").touch(), "guest does not belong there. go etcd is built again."),
        (lambda part: cut_in_place(part.parent / "wheels"), "wheels services is built again."),
    ],
)
def test_a_part_that_is_wrong_is_built_again(damage: Callable[[Path], Any], said: str, make: MakeBuilder) -> None:
    builder = make()
    shutil.rmtree(builder.ensure().path)
    (builder.directory("wheels services").parent / "wheels").symlink_to(
        builder.directory("wheels services") / "flask-3.whl"
    )
    damage(builder.directory("go etcd"))
    lines: list[str] = []
    assert len(make(lines).ensure().built) == 1
    assert any(line.endswith(said) for line in lines), lines


def test_a_part_without_a_record_is_not_trusted_but_go_s_is_known_by_the_lock(make: MakeBuilder) -> None:
    builder = make()
    shutil.rmtree(builder.ensure().path)
    for record in builder.directory("go etcd").parent.glob("*.json"):
        record.unlink()
    assert list(make().ensure().built) == [*("wheels services", "image etcd", "image kube-proxy", "sbom bundle")]


def test_what_was_built_under_another_lock_is_another_bundle(make: MakeBuilder) -> None:
    first = make()
    first.ensure()
    other = make(lock={**first._recipes.lock, "etcd": {"etcd": OTHER}})
    assert other.path != first.path
    first.path.rename(other.path)
    lines: list[str] = []
    with pytest.raises(BundleError, match=r"go etcd: etcd came out with"):
        make(lines, lock=other._recipes.lock).ensure()
    assert "was made of other pins, recipes or sums than this checkout has" in lines[0]


def test_nothing_is_built_where_that_is_not_wanted(make: MakeBuilder) -> None:
    with pytest.raises(BundleError, match=r"^There is no bundle .*\. Type something else\.$"):
        make().ensure(otherwise="Type something else.")
    assert Builds.done == []
    make().ensure()
    make().ensure(otherwise="Type something else.")


def test_everybody_may_read_a_cache_whatever_the_umask(make: MakeBuilder, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        bundle = make().ensure().path
    finally:
        os.umask(before)
    modes = {oct(path.lstat().st_mode & 0o777) for path in bundle.rglob("*") if not path.is_symlink()}
    assert modes == {"0o755", "0o644"}
    for path in (tmp_path / "cache", *bundle.parents[:2], *(tmp_path / "cache/parts").iterdir()):
        assert path.stat().st_mode & 0o044 == 0o044, path


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user, whom root alone can be")
def test_a_cache_of_somebody_else_is_used_and_cannot_be_mended(make: MakeBuilder, tmp_path: Path) -> None:
    bundle = make().ensure().path
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent.stat().st_mode & 0o005 != 0o005:  # pytest's own
            parent.chmod(0o755)
    own = tmp_path / "own"
    own.mkdir()
    os.chown(own, 65534, 65534)
    lines: list[str] = []

    def as_nobody() -> Any:
        os.seteuid(65534)
        try:
            return make(lines, stamp=own / "stamp").ensure()
        finally:
            os.seteuid(0)

    assert not as_nobody().changed
    assert not any("is the cache of" in line for line in lines), "it is root's"
    for path in (bundle, *bundle.rglob("*")):
        os.chown(path, 1, 1, follow_symlinks=False)
    (own / "stamp").unlink()
    assert not as_nobody().changed
    assert any("is the cache of daemon: its bundle was compared" in line for line in lines)
    replaced(bundle / "bin/kubernetes")
    with pytest.raises(BundleError, match=r"kubernetes is cut.* cannot be written: .* -e workshop_cache_dir="):
        as_nobody()


@pytest.mark.parametrize(
    ("place", "mode", "named"),
    [
        ("", 0o777, True),
        ("bundles", 0o757, True),
        ("bundles/KEY", 0o777, True),
        ("", 0o1777, False),  # others cannot take away there what is not theirs
        ("", 0o775, False),
    ],
)
def test_a_cache_that_everybody_may_write_is_named(
    place: str, mode: int, named: bool, make: MakeBuilder, tmp_path: Path
) -> None:
    bundle = make().ensure().path
    directory = tmp_path / "cache" / place.replace("KEY", bundle.name)
    directory.chmod(mode)
    lines: list[str] = []
    make(lines).ensure()
    assert any(f"everybody on this machine may write {directory}, and" in line for line in lines) is named


def test_a_disk_that_is_full_leaves_no_tag_that_says_nothing(make: MakeBuilder, tmp_path: Path) -> None:
    """By an empty one teardown would take the cache for another program's."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with pytest.raises(BundleError, match=r"It cannot be made"):
            make().ensure()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    make().ensure()
    assert "The bundle cache of the workshop." in (tmp_path / "cache/CACHEDIR.TAG").read_text()


def test_another_run_s_bundle_is_taken_while_one_is_refused(make: MakeBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever finds a damaged one while another run makes it again waits, and takes that."""
    first = make().ensure()
    replaced(first.path / "bin/kubernetes")
    looks: list[str | None] = []
    refusal = builder_module.Builder.refusal

    def mended_meanwhile(self: builder_module.Builder) -> str | None:
        found = refusal(self)
        looks.append(found)
        if len(looks) == 1:
            monkeypatch.setattr(builder_module.Builder, "refusal", refusal)
            make().ensure()
        return found

    monkeypatch.setattr(builder_module.Builder, "refusal", mended_meanwhile)
    assert not make().ensure().changed
    assert looks[0] is not None
