# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Debian packages of a kit: an archive for apt, with all that a controller needs beyond a minimal Debian."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import debian_archive
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.debian_part import packages
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit import KitError

_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# What every Debian has: a kit leaves it out.
_MINIMAL = ("?essential", "?priority(required)", "apt")


def controller_packages(project: Path) -> list[str]:
    """The Debian packages that a controller with a kit needs."""
    lines = (project / "requirements/debian.txt").read_text().splitlines()
    return sorted(line.split()[0] for line in lines if line.strip() and not line.startswith("#"))


def sources(suite: str, mirror: str) -> list[str]:
    """Lines of a sources.list for `suite`, from this machine's own apt or from mirrors, each with its keyring.

    Args:
        mirror: URLs with commas between; where none ends in "-security", that of the first one is taken, as on Debian's
            own servers. Empty: this machine's own.

    >>> sources("trixie", "http://a/debian")[2]
    'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://a/debian-security trixie-security main'
    """
    if mirror and not any(url.rstrip("/").endswith("-security") for url in mirror.split(",")):
        mirror = f"{mirror},{mirror.partition(',')[0].rstrip('/')}-security"
    return [
        line if "signed-by=" in line else line.replace("deb ", f"deb [signed-by={_KEYRING}] ", 1)
        for line in debian_archive.sources(suite, mirror)
    ]


class Apt:
    """apt on a machine that has no package at all, and of this machine's settings the way to the archives alone.

    Args:
        directory: an empty directory for its lists and state.
        lines: its sources.list.
    """

    def __init__(self, directory: Path, lines: Sequence[str]) -> None:
        (directory / "status").touch()
        for name in ("lists/partial", "archives/partial"):
            (directory / name).mkdir(parents=True)
        # As files, since either may hold a password; the directory is ours alone.
        (directory / "sources.list").write_text("\n".join(lines) + "\n")
        options = {
            "Dir::Etc::main": "/dev/null",
            "Dir::Etc::parts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::Etc::sourcelist": directory / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State": directory,
            "Dir::State::status": directory / "status",
            "Dir::State::lists": directory / "lists",
            "Dir::Cache": directory,
            "Dir::Cache::archives": directory / "archives",
            "APT::Sandbox::User": "root",
            "APT::Install-Recommends": "false",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
        }
        own = "".join(f'{key} "{value}";\n' for key, value in options.items())
        (directory / "apt.conf").write_text(own + debian_archive.apt_settings())
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG"))}
        self.environment = {
            **kept, "APT_CONFIG": str(directory / "apt.conf"), "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive",
        }  # fmt: skip

    def command(self, program: str, *arguments: str) -> list[str]:
        """The command line of an apt program."""
        return [program, "--quiet=2", *arguments]

    def _read(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            self.command(program, *arguments), env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise KitError(f"kit: {program} cannot say what a controller needs: {done.stderr.strip()[-300:]}")
        return done.stdout

    def files(self, *packages: str) -> Iterator[str]:
        """The names of the package files that installing these packages takes."""
        for line in self._read("apt-get", "install", "--yes", "--print-uris", *packages).splitlines():
            yield line.split()[1]

    def stanzas(self, versions: Sequence[str]) -> Iterator[str]:
        """What the archive's index says of these packages, for an index of files beside it."""
        shown = self._read("apt-cache", "show", "--no-all-versions", *sorted(versions))
        yield re.sub(r"^Filename: .*/", "Filename: ./", shown, flags=re.MULTILINE)


def archived_name(file: str) -> str:
    """What an archive calls a package's file, whose name has no epoch.

    >>> archived_name("dmsetup_2%3a1.02.185-2_amd64.deb")
    'dmsetup_1.02.185-2_amd64.deb'
    """
    return re.sub(r"_\d+%3a", "_", file, count=1)


def fetch(apt: Apt, wanted: Sequence[str], target: Path, run: Callable[..., None]) -> None:
    """Make `target` an archive of the packages that are wanted, with what they need besides, and of nothing else."""
    source = "Debian's package archive"
    run(source, apt.command("apt-get", "update"), env=apt.environment)
    needed = sorted(set(apt.files(*_MINIMAL, *wanted)) - set(apt.files(*_MINIMAL)))
    versions = [_version(file) for file in needed]
    run(source, apt.command("apt-get", "download", *versions), env=apt.environment, cwd=target)
    (target / "Packages").write_text("\n".join(apt.stanzas(versions)))
    for file in needed:
        (target / file).rename(target / archived_name(file))
    kept = {"Packages", *map(archived_name, needed)}
    for path in target.iterdir():
        if path.name not in kept:
            path.unlink()


def _version(file: str) -> str:
    """What apt calls the package in a file: "podman=4.3.1+ds1-8+deb12u1"."""
    ((name, version, _),) = packages(file)
    return f"{name}={version}"
