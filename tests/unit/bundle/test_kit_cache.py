"""A cache that rooms, users and killed runs share: what a kit puts there is whole, and everybody can read it."""

from __future__ import annotations

import errno
import fcntl
import io
import itertools
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.small_kit import PROJECT, SmallKit

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import kit_reader, kit_use, store
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit import KitError, parse
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_use import Source
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_writer import ZSTD


@pytest.fixture
def bench(tmp_path: Path) -> SmallKit:
    return SmallKit.make(tmp_path)


def test_everybody_may_read_what_a_kit_has_put_there_whatever_the_umask(bench: SmallKit) -> None:
    before = os.umask(0o077)
    try:
        bench.take(bench.file)
    finally:
        os.umask(before)
    made = [
        path for name in ("cache", "extras") for path in (bench.directory / name, *(bench.directory / name).rglob("*"))
    ]
    assert [path for path in made if not path.is_symlink() and path.stat().st_mode & 0o044 != 0o044] == []
    assert [path for path in made if path.is_dir() and path.stat().st_mode & 0o055 != 0o055] == []
    assert (
        (bench.directory / "cache/CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")
    )


def test_what_a_killed_run_has_left_goes(bench: SmallKit) -> None:
    for name in ("cache", "extras"):
        (bench.directory / name / ".kit-abc/bundle").mkdir(parents=True)
    bench.take(bench.file)
    assert not any("/.kit-" in path for path in bench.state())


# What changes something, or begins to, as Python tells its audit hooks.
STEPS = {
    *("open", "os.rename", "os.mkdir", "os.chmod", "os.remove", "os.rmdir", "os.symlink", "os.scandir"),
    "subprocess.Popen",
}


def killed_at(step: int, bench: SmallKit) -> bool:
    """Take the kit in a process of its own that is killed at one of its steps; False when it has fewer."""
    process = os.fork()
    if not process:
        left = itertools.count(step, -1)

        def hook(event: str, _: object) -> None:
            if event in STEPS and next(left) == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        bench.take(bench.file)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(process, 0)[1])


@pytest.mark.parametrize("damaged", [False, True])
def test_a_run_that_was_killed_anywhere_is_made_good_by_the_next(bench: SmallKit, damaged: bool) -> None:
    bench.take(bench.file)
    whole = bench.state()
    for step in itertools.count(1, 7):
        if damaged:
            bundle = bench.take(bench.file).bundle
            other_build(bundle)
        else:
            for name in ("cache", "extras"):
                shutil.rmtree(bench.directory / name)
        killed = killed_at(step, bench)
        bench.take(bench.file)
        assert bench.state() == whole, f"killed at its step {step}"
        if not killed:
            break
    assert step > 100, "it was killed at many places"


def other_build(bundle: Path) -> None:
    """Sound by its own lock, and of the same key; but not what the kit holds."""
    (bundle / "bin/kubernetes").write_bytes(b"other")
    (bundle / "lock.json").write_text((bundle / "lock.json").read_text() + "\n")


def test_another_build_in_the_cache_is_not_taken_for_the_kits(bench: SmallKit) -> None:
    bundle = bench.take(bench.file).bundle
    other_build(bundle)
    for changed in (True, False):
        assert bench.take(bench.file).changed is changed
        assert (bundle / "bin/kubernetes").stat().st_size == 1 << 21
    shutil.rmtree(bench.directory / "cache/kits")
    other_build(bundle)
    assert bench.take(bench.file).changed
    assert (bundle / "bin/kubernetes").stat().st_size == 1 << 21
    assert not any("/.kit-" in path for path in bench.state())


@pytest.mark.parametrize(
    "damage",
    [
        lambda extras: (extras / "wheels/a-cp311-x.whl").write_bytes(b""),
        lambda extras: (extras / "debian/bookworm/a.deb").write_bytes(b"\0" * 1000),
        lambda extras: (extras / "debian/bookworm/a.deb").unlink(),
        lambda extras: shutil.rmtree(extras / "debian"),
    ],
)
def test_packages_beside_the_project_that_are_damaged_are_unpacked_again(
    bench: SmallKit, damage: Callable[[Path], Any]
) -> None:
    extras = bench.take(bench.file).extras
    assert extras
    damage(extras)
    assert bench.take(bench.file).changed
    assert (extras / "debian/bookworm/a.deb").read_bytes() == (bench.tops["debian"] / "bookworm/a.deb").read_bytes()
    assert (extras / "wheels/a-cp311-x.whl").stat().st_size == 1000


def test_what_is_no_file_is_refused_and_not_waited_for(bench: SmallKit) -> None:
    os.mkfifo(bench.directory / "pipe")
    for kit in (bench.directory / "pipe", "/dev/zero"):
        with pytest.raises(KitError, match=r"cannot be read \(it is a pipe, a socket or a device\)"):
            bench.take(kit)
    bench.sign()
    signature = bench.file.with_name(f"{bench.file.name}.minisig")
    signature.unlink()
    os.mkfifo(signature)
    with pytest.raises(KitError, match="is no signature of minisign"):
        bench.take(bench.file, str(bench.directory / "good.pub"))


@pytest.mark.parametrize(
    "kit", ["~nobodyx/a.kit", "a\0b.kit", "a" * 300, "a\nb.kit", "\x1b[31ma.kit", "kit über alles", ""]
)
def test_whatever_is_given_is_one_sentence(bench: SmallKit, kit: str) -> None:
    with pytest.raises(KitError, match=r"cannot be read \(|is a directory") as error:
        bench.take(kit)
    assert str(error.value).isprintable()


def test_a_kit_of_any_name_is_taken(bench: SmallKit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(bench.directory))
    monkeypatch.chdir(bench.directory)
    odd = bench.directory / "my kït\n@1.kit"
    bench.file.rename(odd)
    for kit in (odd, odd.name, f"~/{odd.name}"):
        bench.take(kit)


@pytest.mark.parametrize("key", ["~nobodyx/key", "a\0b", "RW", "a" * 5000])
def test_a_key_that_is_none_is_named(bench: SmallKit, key: str) -> None:
    with pytest.raises(KitError, match="must be a public key of minisign"):
        bench.take(bench.file, key)


def packed(path: Path, data: bytes) -> None:
    path.write_bytes(subprocess.run(ZSTD, input=data, capture_output=True, check=True).stdout)


def unpacked(path: Path) -> bytes:
    return subprocess.run(["zstd", "-dcq", path], capture_output=True, check=True).stdout


def long_header(size: int) -> bytes:
    """An entry of a tar file whose name is so long."""
    entry = tarfile.TarInfo("x")
    entry.size, entry.type = size, tarfile.XHDTYPE
    return entry.tobuf() + bytes(size)


@pytest.mark.parametrize("place", ["begin", "middle", "end"])
def test_a_few_bytes_do_not_become_many(bench: SmallKit, place: str) -> None:
    """What is decompressed is at most what the manifest names: neither memory nor time is filled by more."""
    data, bomb = unpacked(bench.file), 64 << 20
    first = 512 + -(-len(bench.manifest.dump()) // 512) * 512
    made = {
        "begin": lambda: long_header(bomb) + data,
        "middle": lambda: data[:first] + long_header(bomb) + data[first:],
        "end": lambda: data + bytes(bomb),
    }
    packed(bench.file, made[place]())
    assert bench.file.stat().st_size < 5 << 20
    with pytest.raises(KitError, match="more in it than its manifest names"):
        bench.take(bench.file)
    assert bench.state() == []


@pytest.mark.parametrize(
    "member",
    [
        {"name": "bundle/a", "sha256": "0" * 64, "size": 1.5},
        {"name": "bundle/a", "sha256": "0" * 64, "size": True},
        {"name": "bundle/a", "sha256": "0" * 64, "size": 2, "pieces": [[1.5], [0.5]]},
        {"name": "bundle/a", "sha256": "0" * 64, "size": 1, "pieces": [[1, 0, 0.5]]},
        {"name": "bundle/a", "sha256": "0" * 64, "size": 1, "pieces": [[1, 0.0, 0]]},
    ],
)
def test_a_manifest_counts_in_bytes(bench: SmallKit, member: dict[str, object]) -> None:
    data = json.loads(bench.manifest.dump())
    data["members"].append(member)
    with pytest.raises(KitError, match="its manifest cannot be read"):
        parse(json.dumps(data).encode(), "x.kit")


@pytest.mark.parametrize("text", [b"[" * 200_000, b'{"kind":' * 100_000, b"[]", b"null", b"\xff", b""])
def test_a_manifest_that_is_none_is_one_sentence(text: bytes) -> None:
    with pytest.raises(KitError, match="its manifest cannot be read"):
        parse(text, "x.kit")


def test_names_in_a_kit_tell_a_terminal_nothing(bench: SmallKit) -> None:
    bench.write(version="\x1b[2J\n1")
    with pytest.raises(KitError, match="is a kit of version") as error:
        bench.take(bench.file)
    assert str(error.value).isprintable()


def failing(*arguments: Any, **options: Any) -> Any:
    raise OSError(errno.EIO, "Input/output error", "/media/stick/a.kit")


def test_a_stick_that_breaks_is_one_sentence(bench: SmallKit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit_use, "sha256", failing)
    with pytest.raises(KitError, match=r"Input/output error: /media/stick/a\.kit; nothing was changed"):
        bench.take(bench.file)


def test_a_file_system_without_locks_is_said(bench: SmallKit, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(file: int, what: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(KitError, match=r"has no locks \(No locks available\).* -e workshop_cache_dir="):
        bench.take(bench.file)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user, whom root alone can be")
def test_a_cache_that_cannot_be_written_is_said(bench: SmallKit) -> None:
    for path in (bench.directory, *bench.directory.parents):
        path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o055)
    (bench.directory / "cache").mkdir()
    os.seteuid(65534)
    try:
        with pytest.raises(KitError, match=r"cannot be written: Permission denied.* -e workshop_cache_dir="):
            bench.take(bench.file)
    finally:
        os.seteuid(0)
    assert bench.state() == []


def test_a_bundle_that_its_lock_refuses_says_which_kit_held_it(bench: SmallKit) -> None:
    def verify(path: Path) -> None:
        raise WorkshopError("The bundle is of schema 9.")

    with pytest.raises(KitError, match=r"small\.kit holds a bundle that cannot be used: .* schema 9\. Make it anew"):
        bench.use(verify).take(Source(str(bench.file)))


def test_runs_take_turns_also_after_a_purge(tmp_path: Path) -> None:
    """Whoever waited while the lock itself was removed takes the new one, as everybody does who comes after."""
    cache = tmp_path / "cache"
    said: list[str] = []
    order: list[str] = []

    def later() -> None:
        with store.locked(cache, said.append):
            order.append("later")
            other = os.open(cache / "lock", os.O_RDONLY)
            with pytest.raises(BlockingIOError):
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.close(other)

    with store.locked(cache, said.append):
        thread = threading.Thread(target=later)
        thread.start()
        while not said:
            thread.join(0.01)
        shutil.rmtree(cache)
        order.append("first")
    thread.join()
    assert (order, said) == (["first", "later"], [f"waiting for another run in {cache} to end"])


def test_other_readers_content_is_counted() -> None:
    content = kit_reader._Content(io.BytesIO(bytes(100)))
    content.allow(50 - content._left)
    assert len(content.read(50)) == 50
    with pytest.raises(ValueError, match="more in it"):
        content.read(1)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user, whom root alone can be")
@pytest.mark.parametrize("lock", [True, False])
def test_a_cache_that_can_only_be_read_will_do_when_it_has_the_bundle(bench: SmallKit, lock: bool) -> None:
    bundle = bench.take(bench.file).bundle
    shutil.rmtree(bench.directory / "extras")
    shutil.rmtree(bench.directory / "cache/kits")
    if not lock:
        (bench.directory / "cache/lock").unlink()
    for path in (bench.directory, *bench.directory.parents):
        path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o055)
    (bench.directory / "extras").mkdir()
    os.chown(bench.directory / "extras", 65534, 65534)
    before = bench.state()
    os.seteuid(65534)
    try:
        taken = bench.take(bench.file)
        again = bench.take(bench.file)
    finally:
        os.seteuid(0)
    assert (taken.bundle, taken.changed, again.changed) == (bundle, True, False)
    assert [path for path in bench.state() if path.startswith("cache")] == before
    assert taken.extras
    assert (taken.extras / "debian/bookworm/a.deb").is_file()


def test_what_is_beside_the_project_can_be_read_below_a_new_directory_too(bench: SmallKit) -> None:
    use = kit_use.Use(PROJECT, bench.directory / "cache", print, lambda path: None, bench.directory / "new/kit")
    before = os.umask(0o077)
    try:
        use.take(Source(str(bench.file)))
    finally:
        os.umask(before)
    assert stat.S_IMODE((bench.directory / "new").stat().st_mode) == 0o755
