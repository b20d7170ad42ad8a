# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a kit holds besides the bundle: the project's wheels, the controller's Debian packages, the collection."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.debian_part import packages
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit import KitError, version_of
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.process import run
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.pypi_parts import pip_download

# glibc versions that wheels are made for: a Debian that has the Python has a newer one than any of these.
_GLIBC = (17, 24, 27, 28, 31, 34, 35)
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# What every Debian has: a kit leaves it out.
_MINIMAL = ("?essential", "?priority(required)", "apt")
Say = Callable[[str], None]


class Contents:
    """Fetches what a kit holds, into a directory that is kept for the next one.

    Args:
        project: the checkout, or the installed collection.
        directory: where it is fetched to, made when missing.
        say: tells people about the progress.
    """

    def __init__(self, project: Path, directory: Path, say: Say) -> None:
        self._project, self._directory, self._say = project, directory, say
        directory.mkdir(parents=True, exist_ok=True)
        self._log = directory / "kit.log"
        self._log.write_bytes(b"")

    def _run(self, what: str, source: str, command: Sequence[str | Path], **options: Any) -> None:
        run(command, what=what, source=source, log=self._log, say=self._say, **options)

    def wheels(self, pythons: Sequence[str]) -> Path:
        """The directory of what requirements/run.txt pins, for each of these Python versions ("3.11").

        Every wheel was compared with the hash that is pinned. What a kit holds is the same without compression (zstd
        does that better, all at once), so that there is a requirements file with the hashes of these, too.
        """
        pins = (self._project / "requirements/run.txt").read_text()
        target = self._kept("wheels", hashlib.sha256(f"{pins}{sorted(pythons)}".encode()).hexdigest()[:16])
        for python in sorted(pythons):
            requirements = target / f"requirements-{python}.txt"
            if not requirements.is_file():
                self._say(f"fetching the Python packages for Python {python}")
                with tempfile.TemporaryDirectory(prefix="wheels-", dir=self._directory) as temporary:
                    self._download(for_python(pins, python), python, Path(temporary))
                    lines = [_plain_wheel(wheel, target) for wheel in sorted(Path(temporary).glob("*.whl"))]
                requirements.write_text("".join(lines))
        return target

    def _download(self, requirements: str, python: str, target: Path) -> None:
        """Fetch these wheels for a Python of this machine's architecture."""
        machine = platform.machine()
        platforms = [f"manylinux_2_{minor}_{machine}" for minor in _GLIBC] + [f"manylinux2014_{machine}", "any"]
        pinned = target / "requirements.txt"
        pinned.write_text(requirements)
        self._run("kit: the Python packages", "PyPI", pip_download(pinned, target, python, platforms))

    def debian(self, suites: Sequence[str], mirror: str = "") -> Path:
        """The directory of the packages that requirements/debian.txt names, with what they need besides.

        Args:
            suites: Debian's suites; each gets a directory, which is an archive for apt.
            mirror: where Debian's packages are; empty: where this machine has its own from.
        """
        wanted = controller_packages(self._project)
        for suite in suites:
            self._say(f"fetching the Debian packages for {suite}")
            self._suite(suite, _sources(suite, mirror), wanted, self._directory / "debian" / suite)
        for path in (self._directory / "debian").iterdir():
            if path.name not in suites:
                shutil.rmtree(path)
        return self._directory / "debian"

    def _suite(self, suite: str, sources: str, wanted: Sequence[str], target: Path) -> None:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="apt-", dir=self._directory) as temporary:
            apt = Apt(Path(temporary), sources)
            self._run(
                f"kit: {suite}", "Debian's package archive", apt.command("apt-get", "update"), env=apt.environment
            )
            needed = sorted(set(apt.files(*_MINIMAL, *wanted)) - set(apt.files(*_MINIMAL)))
            versions = [_version(file) for file in needed]
            self._run(
                f"kit: {suite}",
                "Debian's package archive",
                apt.command("apt-get", "download", *versions),
                env=apt.environment,
                cwd=target,
            )
            (target / "Packages").write_text("\n".join(apt.stanzas(versions)))
        for file in needed:
            (target / file).rename(target / archived_name(file))
        kept = {"Packages", *map(archived_name, needed)}
        for path in target.iterdir():
            if path.name not in kept:
                path.unlink()

    def collection(self) -> Path:
        """The directory of the collection's tarball, which is the same whenever it is made."""
        target = self._directory / "collection"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        with tempfile.TemporaryDirectory(dir=self._directory) as temporary:
            made = Path(temporary) / "made.tar"
            if (self._project / "galaxy.yml").is_file():
                galaxy = Path(sys.executable).with_name("ansible-galaxy")
                self._run(
                    "kit: the collection",
                    "ansible-galaxy",
                    [galaxy, "collection", "build", "--output-path", temporary, self._project],
                )
                (made,) = Path(temporary).glob("*.tar.gz")
            else:
                with tarfile.open(made, "w") as archive:
                    for name in _installed(self._project):
                        archive.add(self._project / name, name, recursive=False)
            _normalized(made, target / f"istio_games-workshop-{version_of(self._project)}.tar.gz")
        return target

    def _kept(self, kind: str, name: str) -> Path:
        """A directory of this name, and no older one of its kind."""
        parent = self._directory / kind
        parent.mkdir(exist_ok=True)
        for path in parent.iterdir():
            if path.is_dir() and path.name != name:
                shutil.rmtree(path)
        (parent / name).mkdir(exist_ok=True)
        return parent / name


def for_python(pins: str, python: str) -> str:
    """Keep of a requirements file with hashes what a Python version needs, without the conditions.

    >>> for_python('numpy==2.4 ; python_full_version < "3.12" \\\\\\n    --hash=sha256:0\\n', "3.13")
    ''
    """
    environment = {"python_version": python, "python_full_version": f"{python}.0"}
    kept = []
    for block in re.split(r"\n(?=\S)", pins.replace("\\\n", " ")):
        text, *hashes = re.split(r"\s(?=--hash)", re.sub(r"\s+#.*", "", block).strip())
        if not text or text.startswith(("#", "-")):
            continue
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            requirement.marker = None
            kept.append(f"{requirement} {' '.join(map(str.strip, hashes))}\n")
    return "".join(kept)


def _plain_wheel(wheel: Path, target: Path) -> str:
    """Write a wheel without compression. Returns its line of a requirements file."""
    plain = target / wheel.name
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(plain, "w", zipfile.ZIP_STORED) as sink:
        for entry in source.infolist():
            content = source.read(entry)
            entry.compress_type = zipfile.ZIP_STORED
            sink.writestr(entry, content)
    name, version = wheel.name.split("-")[:2]
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(plain.read_bytes()).hexdigest()}\n"


def controller_packages(project: Path) -> list[str]:
    """The Debian packages that a controller with a kit needs."""
    lines = (project / "requirements/debian.txt").read_text().splitlines()
    return sorted(line.split()[0] for line in lines if line.strip() and not line.startswith("#"))


class Apt:
    """apt on a machine that has no package at all.

    Args:
        directory: an empty directory for its lists and state.
        sources: its sources.list.
    """

    def __init__(self, directory: Path, sources: str) -> None:
        (directory / "status").touch()
        for name in ("lists/partial", "archives/partial"):
            (directory / name).mkdir(parents=True)
        (directory / "sources.list").write_text(sources)
        options = {
            "Dir::State": directory,
            "Dir::State::status": directory / "status",
            "Dir::State::lists": directory / "lists",
            "Dir::Cache": directory,
            "Dir::Cache::archives": directory / "archives",
            "Dir::Etc::sourcelist": directory / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "APT::Sandbox::User": "root",
            "APT::Install-Recommends": "false",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
        }
        self._options = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        self.environment = {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}

    def command(self, program: str, *arguments: str) -> list[str]:
        """The command line of an apt program."""
        return [program, "--quiet=2", *self._options, *arguments]

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


def _version(file: str) -> str:
    """What apt calls the package in a file: "podman=4.3.1+ds1-8+deb12u1"."""
    ((name, version, _),) = packages(file)
    return f"{name}={version}"


def _sources(suite: str, mirror: str) -> str:
    """A sources.list of Debian's suite, at the mirror that this machine uses unless another is named."""
    places: Mapping[str, str] = {"Debian": mirror, "Debian-Security": mirror and f"{mirror}-security"}
    if not mirror:
        listed = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Origin: Debian", "Created-By: Packages"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        places = dict(line.rsplit(" ", 1) for line in reversed(listed.stdout.splitlines()))
    if not places.get("Debian"):
        raise KitError(
            "This machine has no source of Debian packages of its own (or apt-get update was never run): name a mirror "
            "with -e kit_debian_mirror=https://mirror.example/debian."
        )
    security = places.get("Debian-Security")
    signed = f"[signed-by={_KEYRING}]"
    lines = [f"deb {signed} {places['Debian']} {name} main" for name in (suite, f"{suite}-updates")]
    lines += [f"deb {signed} {security} {suite}-security main"] if security else []
    return "\n".join(lines) + "\n"


def _installed(project: Path) -> list[str]:
    """The files of an installed collection, as its own lists name them."""
    listed = json.loads((project / "FILES.json").read_text())["files"]
    return ["MANIFEST.json", "FILES.json", *(item["name"] for item in listed if item["name"] != ".")]


def _normalized(source: Path, target: Path) -> None:
    """Write a tarball again without what belongs to one moment and one user."""
    with (
        tarfile.open(source) as old,
        target.open("wb") as stream,
        gzip.GzipFile("", "wb", mtime=0, fileobj=stream) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for entry in sorted(old.getmembers(), key=lambda entry: entry.name):
            entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname, entry.pax_headers = 0, 0, 0, "", "", {}
            new.addfile(entry, old.extractfile(entry) if entry.isreg() else None)
