"""What a kit is made of is fetched by this machine's ways alone; what cannot be is said before anything is fetched."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from tests.small_kit import SmallKit
from tests.unit.task_file import play

from ansible_collections.istio_games.workshop.plugins.action import kit_export as action_module
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import (
    debian_archive,
    kit_contents,
    kit_debian,
    kit_reader,
    kit_sign,
    kit_writer,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit import KitError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_export import Request
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_signature import SUFFIX, check_signature


@pytest.fixture
def bench(tmp_path: Path) -> SmallKit:
    return SmallKit.make(tmp_path)


def test_a_kit_is_signed_by_the_key_that_is_named_now(bench: SmallKit) -> None:
    for name in ("one", "two"):
        bench.sign(name)
    signature = bench.file.with_name(bench.file.name + SUFFIX)
    signature.unlink()
    for name, changed in (("one", True), ("one", False), ("two", True), ("two", False)):
        assert kit_sign.sign(bench.file, str(bench.directory / f"{name}.key")) is changed
        check_signature(bench.file, signature, str(bench.directory / f"{name}.pub"))
    with pytest.raises(KitError, match="minisign could not sign"):
        kit_sign.sign(bench.file, "/none")
    assert [path.name for path in bench.directory.glob(".*")] == []


def test_a_kit_that_cannot_be_written_leaves_the_one_that_is_there(
    bench: SmallKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = bench.file.read_bytes()
    broken = ("sh", "-c", "head -c 9; echo 'zstd: error 70 : Write error : No space left on device' >&2; exit 70")
    monkeypatch.setattr(kit_writer, "ZSTD", broken)
    with pytest.raises(KitError, match=r"cannot be written \(.* No space left on device\): free some space, or name"):
        bench.write()
    assert bench.file.read_bytes() == before
    assert [path.name for path in bench.directory.glob(".*")] == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"suites": ("bookworm", "sid")}, "kit_suites names sid, but must be some of bookworm, trixie"),
        ({"mirror": "deb.example"}, "kit_debian_mirror is 'deb.example', but must be URLs of Debian mirrors"),
        ({"mirror": "http://u:p@deb.example/debian"}, "a password belongs into /etc/apt/auth.conf.d"),
        ({"mirror": "http://a/debian,b"}, "kit_debian_mirror is 'http://a/debian,b', but must be"),
        ({"sign_key": "/none"}, "kit_sign_key is '/none', but must be the file of a secret key"),
        ({"sign_key": "/"}, "kit_sign_key is '/', but must be the file of a secret key"),
        ({"suites": ()}, "kit_suites names no Debian suite, but must be some of bookworm, trixie"),
        ({"file": Path("/dev/null")}, "kit_file is /dev/null, which is there, and is no kit"),
        ({"file": Path("/none/a.kit")}, "there is no directory /none: make it first"),
        ({"file": Path("/")}, "kit_file is /, a directory"),
    ],
)
def test_what_cannot_be_is_said_first(changes: Mapping[str, Any], said: str, tmp_path: Path) -> None:
    request = Request(**{"file": tmp_path / "a.kit", "suites": ("bookworm",), **changes})
    with pytest.raises(KitError, match=said):
        request.check(tmp_path)
    Request(tmp_path / "a.kit", ("bookworm",), "http://a/debian,file:///srv/debian-security").check(tmp_path)


@pytest.mark.parametrize(
    ("content", "may_go"),
    [
        (b"", True),
        (kit_reader.MAGIC, True),
        (kit_reader.MAGIC + b"cut", True),
        (b"untrusted comment: minisign public key", False),
        (b"#", False),
    ],
)
def test_what_is_no_kit_is_not_overwritten(content: bytes, may_go: bool, tmp_path: Path) -> None:
    """Such as the key, where two settings were mixed up."""
    file = tmp_path / "kit.pub"
    file.write_bytes(content)
    with nullcontext() if may_go else pytest.raises(KitError, match=r"kit\.pub, which is there, and is no kit: name"):
        Request(file, ("bookworm",)).check(tmp_path)
    assert file.read_bytes() == content


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user, whom root alone can be")
def test_where_nothing_can_be_written_is_said_before_anything_is_fetched(tmp_path: Path) -> None:
    os.seteuid(65534)
    try:
        with pytest.raises(KitError, match=r"kit_file is /usr/a\.kit, but /usr cannot be written: name another place"):
            Request(Path("/usr/a.kit"), ("bookworm",)).check(Path("/var/tmp"))
    finally:
        os.seteuid(0)


@pytest.mark.parametrize(("begins", "said"), [(b"EdSc", "whose key has a password"), (b"Ed\0\0", None)])
def test_a_key_with_a_password_is_refused_before_there_is_a_kit(
    begins: bytes, said: str | None, tmp_path: Path
) -> None:
    key = tmp_path / "kit.key"
    key.write_text(
        f"untrusted comment: minisign encrypted secret key\n{base64.b64encode(begins + bytes(154)).decode()}\n"
    )
    with pytest.raises(KitError, match=said) if said else nullcontext():
        Request(tmp_path / "a.kit", ("bookworm",), sign_key=str(key)).check(tmp_path)


@pytest.mark.parametrize("full", ["file", "cache"])
def test_too_little_space_is_said_of_either_place(full: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("file", "cache"):
        (tmp_path / name).mkdir()
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(
        shutil, "disk_usage", lambda path: usage._replace(free=1000 if path == tmp_path / full else 10**12)
    )
    option = {"file": "kit_file", "cache": "workshop_cache_dir"}[full]
    with pytest.raises(KitError, match=f"No space for a kit in .*/{full}: .* -e {option}="):
        Request(tmp_path / "file/a.kit", ("bookworm",)).check(tmp_path / "cache/none/yet")


def act(tmp_path: Path, **given: Any) -> dict[str, Any]:
    """What the action makes of these options, beside good ones."""
    action = object.__new__(action_module.ActionModule)
    action._task, action.result = SimpleNamespace(check_mode=False), {}
    nothing = dict.fromkeys(("debian_mirror", "sign_key", "push", "login", "ca", "bundle"), "")
    good = {"file": str(tmp_path / "a.kit"), "suites": ["bookworm", " trixie"], "cache_dir": str(tmp_path / "cache")}
    return action.act({**nothing, **good, "project": str(tmp_path), **given})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"push": "registry.example/a", "login": "/none"},
            "workshop_kit_login is '/none', but must be a file of logins",
        ),
        ({"push": "registry.example/a", "ca": "/none"}, "workshop_kit_ca is '/none', but must be a file of CA"),
        ({"push": "http://registry.example/a"}, "kit_push is 'http://registry.example/a', but must be"),
        ({"file": "~/none/a.kit"}, "there is no directory HERE/none: make it first"),
        ({"suites": ["", " "]}, "kit_suites names no Debian suite"),
        ({"bundle": "/none"}, "The bundle /none has gone meanwhile: run the same command again"),
        ({"bundle": "/none", "cache_dir": "HERE/file/cache"}, "The kit cannot be made: .* -e workshop_cache_dir="),
    ],
)
def test_whatever_is_wrong_is_one_sentence(
    given: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert act(tmp_path) == {}
    (tmp_path / "file").touch()
    here = str(tmp_path)
    given = {name: value.replace("HERE", here) if isinstance(value, str) else value for name, value in given.items()}
    with pytest.raises(KitError, match=said.replace("HERE", here)):
        act(tmp_path, **given)


def test_what_pushes_is_looked_for_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "skopeo" else found(name))
    with pytest.raises(KitError, match="skopeo pushes a kit and is not installed"):
        act(tmp_path, push="registry.example/a")


def test_an_export_keeps_others_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def export(request: Request, *_: Any) -> bool:
        with (tmp_path / ".a.kit.lock").open() as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        request.file.touch()
        return True

    monkeypatch.setattr(action_module, "export", export)
    assert act(tmp_path, bundle="/none")["file"] == str(tmp_path / "a.kit")


@pytest.mark.parametrize(
    ("supply", "kit", "said"),
    [
        ("cache", "", "workshop_supply is cache, so nothing is built"),
        ("auto", "/none/a.kit", "The kit /none/a.kit cannot be read"),
    ],
)
def test_where_the_bundle_may_come_from_holds_for_a_kit_too(supply: str, kit: str, said: str, tmp_path: Path) -> None:
    role = Path(__file__).parents[3] / "roles/kit"
    settings = dict.fromkeys(("workshop_kit_key", "workshop_kit_login", "workshop_kit_ca"), "")
    variables = {
        **yaml.safe_load((role / "defaults/main.yml").read_text()),
        **settings,
        "workshop_supply": supply,
        "workshop_kit": kit,
        "workshop_debian_mirror": "",
        "role_path": str(role),
        "workshop_cache_dir": str(tmp_path / "cache"),
        "workshop_bundle_dir": str(tmp_path / "room/bundle"),
        "kit_file": str(tmp_path / "a.kit"),
    }
    status, shown = play("roles/kit/tasks/export.yml", variables, tmp_path, "--check")
    assert said in " ".join(shown.split()), shown
    assert status == 2


def test_of_a_run_that_was_killed_nothing_is_kept_and_nothing_half_done_is_used(tmp_path: Path) -> None:
    (tmp_path / ".new-abc/lists").mkdir(parents=True)
    kit_contents.Contents(tmp_path, tmp_path, print)
    assert not list(tmp_path.glob(".new-*"))
    requirements, wheel = tmp_path / "requirements-3.11.txt", tmp_path / "a-1-py3-none-any.whl"
    assert not kit_contents._is_whole(requirements)
    wheel.write_bytes(b"wheel")
    requirements.write_text(f"a==1 --hash=sha256:{hashlib.sha256(b'wheel').hexdigest()}\n")
    assert kit_contents._is_whole(requirements)
    wheel.write_bytes(b"")
    assert not kit_contents._is_whole(requirements)


def test_of_an_installed_collection_its_own_files_are_taken(tmp_path: Path) -> None:
    """There is no galaxy.yml to build it from, and what somebody has put beside its files is none of it."""
    project = tmp_path / "project"
    (project / "plugins").mkdir(parents=True)
    for name in ("plugins/a.py", "README.md", "notes"):
        (project / name).write_text(name)
    listed = [{"name": "."}, {"name": "README.md"}, {"name": "plugins"}, {"name": "plugins/a.py"}]
    (project / "FILES.json").write_text(json.dumps({"files": listed}))
    (project / "MANIFEST.json").write_text(json.dumps({"collection_info": {"version": "1.2.3"}}))
    (made,) = kit_contents.Contents(project, tmp_path / "contents", print).collection().iterdir()
    assert made.name == "istio_games-workshop-1.2.3.tar.gz"
    with tarfile.open(made) as archive:
        assert sorted(archive.getnames()) == ["FILES.json", "MANIFEST.json", "README.md", "plugins", "plugins/a.py"]


@pytest.mark.skipif(not shutil.which("apt-config"), reason="apt is Debian's")
def test_of_this_machines_apt_the_way_to_the_archives_alone_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.conf"
    own.write_text('APT::Default-Release "stable";\nAcquire::http::Proxy "http://p:1";\nAPT::Get::Fix-Broken "1";\n')
    monkeypatch.setenv("APT_CONFIG", str(own))
    monkeypatch.setenv("LC_MESSAGES", "de_DE.UTF-8")
    apt = kit_debian.Apt(tmp_path, ["deb http://a b main"])
    dump = subprocess.run(
        ["apt-config", "dump"], env=apt.environment, capture_output=True, text=True, check=True
    ).stdout
    assert 'Acquire::http::Proxy "http://p:1";' in dump
    assert not [name for name in ("Default-Release", "Fix-Broken", "NeverAutoRemove") if name in dump]
    assert f'Dir::State::lists "{tmp_path}/lists";' in dump
    assert "LC_MESSAGES" not in apt.environment


def test_each_source_has_a_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["deb [signed-by=/mine] http://a bookworm main", "deb http://b bookworm-security main"]
    monkeypatch.setattr(debian_archive, "sources", lambda suite, mirror: lines)
    assert kit_debian.sources("bookworm", "") == [
        lines[0],
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://b bookworm-security main",
    ]


@pytest.mark.parametrize(
    ("mirror", "security"),
    [
        ("http://a/debian/", "http://a/debian-security"),
        ("http://a/debian,http://b/debian", "http://a/debian-security"),
        ("http://a/debian,http://b/x-security/", "http://b/x-security/"),
        ("http://a-security/debian", "http://a-security/debian-security"),
        ("http://a/x-security/debian", "http://a/x-security/debian-security"),
    ],
)
def test_a_mirror_has_its_security_updates_beside_it_unless_they_are_named(mirror: str, security: str) -> None:
    found = [line.split()[2] for line in kit_debian.sources("trixie", mirror) if line.endswith("trixie-security main")]
    assert found == [security]


def test_the_environment_is_kept_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://p:1")
    assert kit_debian.Apt(tmp_path, []).environment["https_proxy"] == os.environ["https_proxy"]
