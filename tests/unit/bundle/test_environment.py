"""What a build gets of this machine is the way to the registries; language, umask and habits change nothing."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import (
    contract,
    debian_archive,
    go_part,
    recipes,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.debian_part import RootFilesystem
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.part import Workbench, environment
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.process import run
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.pypi_parts import (
    pip_download,
    pip_environment,
)

SUPPLY = Path(__file__).parents[3] / "supply"
HABITS = dict.fromkeys(
    (
        *("GOFLAGS", "GOEXPERIMENT", "GOAMD64", "GOTOOLCHAIN", "GODEBUG", "CC", "LD_PRELOAD", "MAKEFLAGS", "GIT_DIR"),
        *("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "SOURCE_DATE_EPOCH", "TZ", "APT_CONFIG", "DEB_BUILD_OPTIONS"),
        *("LANG", "LANGUAGE", "LC_MESSAGES"),
    ),
    "mine",
)
WAYS = dict.fromkeys(
    (
        *("GOPROXY", "GOSUMDB", "GONOSUMDB", "GOINSECURE", "GOPRIVATE", "NETRC", "https_proxy", "NO_PROXY", "HOME"),
        *("SSL_CERT_FILE", "XDG_CONFIG_HOME"),
    ),
    "mine",
)


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in os.environ:
        monkeypatch.delenv(name)
    return monkeypatch


def test_ways_to_the_registries_pass_and_habits_do_not(only: pytest.MonkeyPatch) -> None:
    for name, value in {**HABITS, **WAYS}.items():
        only.setenv(name, value)
    assert environment() == {**WAYS, "LC_ALL": "C.UTF-8"}


PIP_WAYS = dict.fromkeys(
    (
        *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_TRUSTED_HOST", "PIP_TIMEOUT"),
        *("PIP_DEFAULT_TIMEOUT", "PIP_RETRIES", "PIP_CERT", "PIP_CLIENT_CERT", "PIP_PROXY", "PIP_CONFIG_FILE"),
        *("PIP_KEYRING_PROVIDER", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    ),
    "mine",
)
PIP_HABITS = dict.fromkeys(
    (
        *(
            "PIP_REQUIREMENT",
            "PIP_CONSTRAINT",
            "PIP_EDITABLE",
            "PIP_PLATFORM",
            "PIP_ABI",
            "PIP_PYTHON_VERSION",
            "PIP_PYTHON",
        ),
        *("PIP_NO_BINARY", "PIP_PRE", "PIP_DEST", "PIP_SRC", "PIP_LOG", "PIP_QUIET", "PIP_UPLOADED_PRIOR_TO"),
    ),
    "/none",
)


def test_of_what_a_user_has_told_pip_the_way_to_packages_is_kept(only: pytest.MonkeyPatch) -> None:
    for name, value in {**PIP_WAYS, **PIP_HABITS, **HABITS}.items():
        only.setenv(name, value)
    assert pip_environment() == {**PIP_WAYS, "LC_ALL": "C.UTF-8"}


def test_wheels_are_fetched_whatever_else_pip_was_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By a real pip, from a directory."""
    wheel = tmp_path / "wheels/thing-1-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("thing-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1\n")
        archive.writestr("thing-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("thing-1.dist-info/RECORD", "")
    for name, value in {**PIP_HABITS, "PIP_FIND_LINKS": str(wheel.parent), "PIP_NO_INDEX": "1"}.items():
        monkeypatch.setenv(name, value)
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"thing==1 --hash=sha256:{contract.sha256(wheel)}\n")
    said: list[str] = []
    command = pip_download(requirements, tmp_path / "fetched")
    run(command, what="x", source="y", log=tmp_path / "log", say=said.append, env=pip_environment())
    assert [path.name for path in (tmp_path / "fetched").iterdir()] == [wheel.name]


WRITTEN = "# x\nGOPROXY=https://file.example\nGOAMD64=v3\nGOFLAGS=-tags=x\nGOEXPERIMENT=x\nnonsense\nGONOSUMDB=a=b\n"
FOUND = {"GOPROXY": "https://file.example", "GONOSUMDB": "a=b"}


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({"HOME": "HERE/home"}, FOUND),
        ({"HOME": "/none", "XDG_CONFIG_HOME": "HERE/home/.config"}, FOUND),
        ({"HOME": "/none", "GOENV": "HERE/home/.config/go/env"}, FOUND),
        (
            {"HOME": "HERE/home", "GOPROXY": "https://own.example"},
            {**FOUND, "GOPROXY": "https://own.example"},
        ),
        ({"HOME": "HERE/home", "GOENV": "off"}, {}),
        ({"HOME": "HERE/none"}, {}),
    ],
)
def test_of_what_a_user_has_told_go_the_way_to_modules_is_kept(
    variables: Mapping[str, str], found: Mapping[str, str], only: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "home/.config/go").mkdir(parents=True)
    (tmp_path / "home/.config/go/env").write_text(WRITTEN)
    for name, value in variables.items():
        only.setenv(name, value.replace("HERE", str(tmp_path)))
    part = go_part.GoPart("etcd", recipes.load(SUPPLY))
    env = part.environment(tmp_path / "go", tmp_path, tmp_path)
    assert {name: value for name, value in env.items() if name in WAYS and name.startswith("GO")} == found
    assert (env["GOENV"], env["GOFLAGS"], env["GOAMD64"]) == ("off", "-mod=readonly", "v1")
    assert "GOEXPERIMENT" not in env


def test_what_is_made_can_be_read_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        run(["sh", "-c", f"mkdir {tmp_path}/made"], what="x", source="", log=tmp_path / "log", say=print)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o755


class Failing(Workbench):
    """A bench whose mmdebstrap fails, and which knows what it saw."""

    def run(self, what: str, source: str, command: list[str | Path], **options: Any) -> None:
        self.seen = {path.name: stat.S_IMODE(path.stat().st_mode) for path in self.directory.iterdir()}
        raise BundleError("failed")


def test_passwords_of_the_machines_apt_are_nobody_elses_and_go_with_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian_archive, "apt_settings", lambda: 'Acquire::http::Proxy "http://u:secret@p:1";\n')
    bench = Failing(tmp_path, tmp_path / "log", tmp_path, {}, print)
    with pytest.raises(BundleError):
        RootFilesystem("node", recipes.load(SUPPLY, "http://a/debian")).build(bench)
    assert bench.seen == {"sources.list": 0o600, "apt.conf": 0o600}
    assert list(tmp_path.iterdir()) == []
