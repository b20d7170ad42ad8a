"""A context depends on its contents alone, and the source digest on everything that an image is made of."""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.kaniko.context import (
    Build,
    ContextError,
    pack,
    source_digest,
)

BUILD = Build("istio-games-aleph", "0.1", "app/Dockerfile", ("app", "common"), {"VERSION": "0.1", "FAULTS": ""})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, content in {
        "app/Dockerfile": "FROM x\n",
        "app/a.py": "a = 1\n",
        "common/c.py": "",
        "other/o.py": "",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    return tmp_path


def names(archive: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as opened:
        return opened.getnames()


def test_it_holds_the_paths_alone(root: Path) -> None:
    assert names(pack(root, BUILD).archive) == ["app/Dockerfile", "app/a.py", "common/c.py"]


SERVICES = Path(__file__).parents[4] / "services"


@pytest.mark.parametrize(
    "name",
    [
        "app/__pycache__/a.cpython-311.pyc",
        "app/.mypy_cache/x",
        "app/.git/config",
        "app/.a.py.swp",  # vim
        "app/4913",
        "app/a.py~",  # Emacs
        "app/#a.py#",
        "app/a.py.orig",
        "app/.DS_Store",
        "common/deep/below/.idea/workspace.xml",
        "app/requirements.in",
    ],
)
def test_what_tools_and_editors_leave_behind_is_left_out(root: Path, name: str) -> None:
    shutil.copy(SERVICES / ".dockerignore", root)
    before = pack(root, BUILD)
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("x")
    assert pack(root, BUILD) == before
    (root / ".dockerignore").unlink()
    assert pack(root, BUILD) != before


def test_an_editors_lock_link_is_left_out(root: Path) -> None:
    shutil.copy(SERVICES / ".dockerignore", root)
    before = pack(root, BUILD)
    (root / "app/.#a.py").symlink_to("somebody@a-machine.4711:1764160000")
    assert pack(root, BUILD) == before


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        ([], "app/a.py app/deep/secret.env app/deep/x.txt app/secret.env"),
        (["**/secret.env"], "app/a.py app/deep/x.txt"),
        (["secret.env"], "app/a.py app/deep/secret.env app/deep/x.txt app/secret.env"),  # of the root alone
        (["app/*.env"], "app/a.py app/deep/secret.env app/deep/x.txt"),
        (["/app/deep/"], "app/a.py app/secret.env"),
        (["app/*", "!app/a.py"], "app/a.py"),
        (["app/deep", "!app/deep/x.txt"], "app/a.py app/deep/x.txt app/secret.env"),
        (["!app/a.py", "**/*.py"], "app/deep/secret.env app/deep/x.txt app/secret.env"),  # the last one decides
        (["# **/*.py", "", "   ", "."], "app/a.py app/deep/secret.env app/deep/x.txt app/secret.env"),
        (["  app/secret.?nv  ", "app/dee[a-p]/secret.env"], "app/a.py app/deep/x.txt"),
        (["**"], ""),
        (["./app//deep/../deep/./", "./app/secret.env"], "app/a.py"),
        (["app/deep", "! app/deep/x.txt", " # no comment", "../app/a.py"], "app/a.py app/deep/x.txt app/secret.env"),
        (["\ufeffapp/deep", "app/[^a]*"], "app/a.py"),
    ],
)
def test_the_ignore_file_is_followed(root: Path, lines: list[str], left: str) -> None:
    (root / "app/deep").mkdir()
    for name in ("app/secret.env", "app/deep/secret.env", "app/deep/x.txt"):
        (root / name).write_text("x")
    (root / ".dockerignore").write_text("\r\n".join(lines))
    packed = names(pack(root, replace(BUILD, paths=("app",))).archive)
    assert [name for name in packed if name != BUILD.dockerfile] == left.split()
    assert BUILD.dockerfile in packed  # as Docker does, whatever the patterns say


def test_a_dockerfiles_own_ignore_file_goes_before(root: Path) -> None:
    (root / ".dockerignore").write_text("app/a.py\n")
    (root / "app/Dockerfile.dockerignore").write_text("**/c.py\n**/*.dockerignore\n")
    assert names(pack(root, BUILD).archive) == ["app/Dockerfile", "app/a.py"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"**/*.py\n!\n", r"in \S+/\.dockerignore, line 2 \(!\) cannot be read as a pattern"),
        (b"caf\xe9[\n", r"in \S+/\.dockerignore, line 1 \(caf\\udce9\[\) cannot be read as a pattern"),
        (None, r"\S+/\.dockerignore cannot be read \(No such file or directory\)"),  # a link that leads nowhere
    ],
)
def test_an_ignore_file_that_cannot_be_followed_is_refused(root: Path, text: bytes | None, sentence: str) -> None:
    if text is None:
        (root / ".dockerignore").symlink_to("nowhere")
    else:
        (root / ".dockerignore").write_bytes(text)
    with pytest.raises(ContextError, match=f"^istio-games-aleph:0.1 cannot be built: {sentence}"):
        pack(root, BUILD)


def test_dates_and_group_rights_do_not_matter(root: Path) -> None:
    before = pack(root, BUILD)
    os.utime(root / "app/a.py", (1, 1))
    (root / "app/a.py").chmod(0o600)
    assert pack(root, BUILD) == before


def test_contents_names_and_execute_bits_matter(root: Path) -> None:
    digests = {pack(root, BUILD).digest}
    (root / "app/a.py").write_text("a = 2\n")
    digests.add(pack(root, BUILD).digest)
    (root / "app/a.py").chmod(0o755)
    digests.add(pack(root, BUILD).digest)
    (root / "app/a.py").rename(root / "app/b.py")
    digests.add(pack(root, BUILD).digest)
    assert len(digests) == 4


def test_overlapping_paths_are_packed_once(root: Path) -> None:
    twice = replace(BUILD, paths=("app", "app/a.py", "common"))
    assert pack(root, twice) == pack(root, BUILD)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (replace(BUILD, dockerfile="app/Missing"), "istio-games-aleph:0.1 cannot be built: there is no app/Missing"),
        (replace(BUILD, paths=("app", "nothing")), "istio-games-aleph:0.1 cannot be built: there is no nothing in"),
    ],
)
def test_missing_sources_are_named(root: Path, build: Build, message: str) -> None:
    with pytest.raises(ContextError, match=message):
        pack(root, build)


@pytest.mark.parametrize("target", ["a.py", "../common/c.py", "../common", "link-before.py"])
def test_a_link_within_the_sources_stays_one(root: Path, target: str) -> None:
    (root / "app/link-before.py").symlink_to("a.py")
    (root / "app/link.py").symlink_to(target)
    with tarfile.open(fileobj=io.BytesIO(pack(root, BUILD).archive)) as opened:
        entry = opened.getmember("app/link.py")
    assert (entry.issym(), entry.linkname) == (True, target)


@pytest.mark.parametrize("target", ["/etc/passwd", "../other/o.py", "../../elsewhere", "nothing", "link.py", "x" * 300])
def test_a_link_that_leads_elsewhere_is_refused_by_name(root: Path, target: str) -> None:
    (root / "app/link.py").symlink_to(target)
    sentence = rf"^istio-games-aleph:0\.1 cannot be built: the link app/link\.py leads to {re.escape(target)}, which is"
    with pytest.raises(ContextError, match=sentence):
        pack(root, replace(BUILD, paths=("app/Dockerfile", "app/a.py", "app/link.py", "common")))


@pytest.mark.parametrize(
    "path",
    ["..", "../common", "below/../../common", "below/../a.py", "/etc", "/etc/passwd", "out", "out/below", "out/c.py"],
)
def test_sources_that_lead_out_are_refused_by_name(root: Path, path: str) -> None:
    for directory in ("common/below", "app/below"):
        (root / directory).mkdir()
    (root / "app/out").symlink_to("../common")
    with pytest.raises(
        ContextError, match=rf"cannot be built: {re.escape(path)} leads out of \S+: its sources must be"
    ):
        pack(root / "app", replace(BUILD, dockerfile="Dockerfile", paths=("Dockerfile", path)))


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_an_ignore_file_that_is_no_file_is_not_waited_for(root: Path, make: Callable[[Path], None]) -> None:
    make(root / ".dockerignore")
    with pytest.raises(ContextError, match=r"cannot be built: \S+/\.dockerignore is no file\."):
        pack(root, BUILD)


def test_names_tell_a_terminal_nothing(root: Path) -> None:
    os.mkfifo(root / "app/\x1b[2Ja\n")
    with pytest.raises(ContextError, match="neither a file nor a link") as error:
        pack(root, BUILD)
    assert str(error.value).isprintable()


def test_what_is_no_file_is_refused_by_name(root: Path) -> None:
    os.mkfifo(root / "app/pipe")
    with pytest.raises(ContextError, match=r"cannot be built: app/pipe is neither a file nor a link"):
        pack(root, BUILD)


def test_a_name_that_is_not_utf_8_is_refused(root: Path) -> None:
    Path(os.fsdecode(os.fsencode(root / "app") + b"/caf\xe9")).write_text("x")
    with pytest.raises(ContextError, match=r"cannot be built: the name of 'app/caf\\udce9' is not UTF-8\."):
        pack(root, BUILD)


@pytest.mark.parametrize(
    "name", ["app/" + "n" * 200 + ".txt", "app/" + "/".join(["directory"] * 30) + "/x", "app/日本語.txt"]
)
def test_long_and_unicode_names_are_taken(root: Path, name: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("x")
    assert name in names(pack(root, BUILD).archive)


@pytest.mark.parametrize(("ignored", "refused"), [("", True), ("app/closed", False), ("**/closed", False)])
def test_a_directory_that_cannot_be_read_is_named_unless_it_is_ignored(
    root: Path, monkeypatch: pytest.MonkeyPatch, ignored: str, refused: bool
) -> None:
    """Root can read all of them."""
    (root / "app/closed").mkdir()
    (root / "app/closed/x.py").write_text("x")
    (root / ".dockerignore").write_text(ignored)
    scandir = os.scandir

    def closed(path: Any) -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    if not refused:
        assert names(pack(root, BUILD).archive) == ["app/Dockerfile", "app/a.py", "common/c.py"]
        return
    with pytest.raises(ContextError, match=r"cannot be built: \S+/app/closed cannot be read \(Permission denied\)\."):
        pack(root, BUILD)


def test_a_huge_file_is_refused_before_it_is_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (root / "app/dump").open("wb") as dump:
        dump.truncate(200 * 1024 * 1024)  # a hole: it takes no space
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} was read"))
    with pytest.raises(
        ContextError, match=r"sources are 204800 KiB, and at most 102400 KiB .* app/dump \(204800 KiB\)"
    ):
        pack(root, BUILD)


def test_too_much_is_refused_and_the_largest_are_named(root: Path) -> None:
    for name, size in {"app/big": 1024, "common/bigger": 2048, "app/biggest": 4096, "app/small": 1}.items():
        (root / name).write_bytes(os.urandom(size * 1024))
    with pytest.raises(
        ContextError,
        match=r"its sources are 717\d KiB packed, and at most 900 KiB go to the cluster\. The largest are "
        r"app/biggest \(4096 KiB\), common/bigger \(2048 KiB\), app/big \(1024 KiB\): move away what",
    ):
        pack(root, BUILD)


def test_the_digest_covers_everything_that_an_image_is_made_of(root: Path) -> None:
    context = pack(root, BUILD)
    first = source_digest(context, BUILD)
    assert first == source_digest(context, replace(BUILD, build_args={"FAULTS": "", "VERSION": "0.1"}))
    others = {
        source_digest(context, replace(BUILD, build_args={"VERSION": "0.1", "FAULTS": "x"})),
        source_digest(replace(context, digest="0"), BUILD),
        source_digest(context, replace(BUILD, dockerfile="common/c.py")),
    }
    assert len(others | {first}) == 4
