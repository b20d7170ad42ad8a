"""Conventions of CONTRIBUTING.md that no linter knows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
# What anybody may use; any other host that this machine takes its packages from is its own business.
PUBLIC_HOSTS = {
    "archive.ubuntu.com",
    "deb.debian.org",
    "files.pythonhosted.org",
    "proxy.golang.org",
    "pypi.org",
    "security.debian.org",
    "security.ubuntu.com",
    "sum.golang.org",
}
HOST = re.compile(r"https?://(?:[^@/\s]+@)?([A-Za-z0-9.-]+)")
# Directories of the machines that this project was written on.
FOREIGN_PATHS = re.compile(r"(?<![\w.-])/(work/(main|shared)|root/\.(cache|local|pyenv))\b")
UNCLEAR_NAMES = {"utils", "util", "helpers", "helper", "misc", "common_stuff", "stuff"}


def project_files() -> list[Path]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def text(path: Path) -> str:
    return path.read_bytes().decode(errors="replace")


def package_mirrors() -> set[str]:
    """The hosts that this machine's package managers are pointed at, as far as they are not the public ones."""
    settings = [value for name, value in os.environ.items() if re.search(r"(?i)index_url|proxy|registry", name)]
    configuration = [Path("/etc/pip.conf"), Path("/etc/apt/sources.list"), Path.home() / ".npmrc"]
    configuration += [Path.home() / ".config/pip/pip.conf", Path.home() / ".config/go/env"]
    configuration += Path("/etc/apt/sources.list.d").glob("*")
    settings += [text(path) for path in configuration if path.is_file()]
    hosts = {host for value in settings for host in HOST.findall(value)}
    return {host for host in hosts - PUBLIC_HOSTS if "." in host and not host.startswith("127.")}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_no_file_names_a_package_mirror_of_this_machine() -> None:
    mirrors = package_mirrors()
    assert [named(path) for path in project_files() if any(host in text(path) for host in mirrors)] == []


def test_no_file_names_a_directory_of_one_machine() -> None:
    this = Path(__file__).resolve()
    assert [named(path) for path in project_files() if path != this and FOREIGN_PATHS.search(text(path))] == []


def test_names_say_what_a_file_holds() -> None:
    unclear = [
        path for path in project_files() if UNCLEAR_NAMES & {Path(part).stem for part in Path(named(path)).parts}
    ]
    assert unclear == []


@pytest.mark.parametrize(("pattern", "most"), [("roles/*/tasks/**/*.yml", 80), ("roles/*/defaults/*.yml", 60)])
def test_files_stay_short(pattern: str, most: int) -> None:
    lengths = {named(path): len(text(path).splitlines()) for path in ROOT.glob(pattern)}
    assert {name: length for name, length in lengths.items() if length > most} == {}


def test_root_playbooks_only_import() -> None:
    allowed = {"name", "ansible.builtin.import_playbook", "when", "vars", "tags"}
    for path in set(ROOT.glob("*.yml")) - {ROOT / "galaxy.yml", ROOT / "mkdocs.yml"}:
        for play in yaml.safe_load(text(path)):
            assert "ansible.builtin.import_playbook" in play, f"{path.name} does more than import"
            assert set(play) <= allowed, f"{path.name} does more than import"


def test_playbook_names_are_snake_case() -> None:
    names = [path.name for path in (ROOT / "playbooks").glob("*")]
    assert [name for name in names if not re.fullmatch(r"[a-z][a-z_]*\.yml", name)] == []


def test_a_checkout_on_windows_has_the_lines_of_unix(tmp_path: Path) -> None:
    """Git turns line ends into its own there (core.autocrlf), and a shell refuses them."""
    git = ("git", "-C", str(tmp_path), "-c", "core.autocrlf=true")
    shutil.copy(ROOT / ".gitattributes", tmp_path)
    for name in ("script", "play.yml", "template.j2"):
        (tmp_path / name).write_bytes(b"#!/bin/sh\nexit\n")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "add", "."], check=True, capture_output=True)
    for path in tmp_path.iterdir():
        if path.is_file():
            path.unlink()
    subprocess.run([*git, "checkout", "--quiet", "."], check=True)
    assert [path.name for path in tmp_path.iterdir() if path.is_file() and b"\r" in path.read_bytes()] == [
        "picture.png"
    ]
    assert (tmp_path / "picture.png").read_bytes() == b"\x89PNG\r\n\x1a\n"
