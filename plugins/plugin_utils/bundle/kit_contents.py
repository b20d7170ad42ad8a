# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a kit holds besides the bundle: the project's wheels, the controller's Debian packages, the collection."""

from __future__ import annotations

import gzip
import hashlib
import json
import platform
import re
import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.contract import sha256
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit import version_of
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_debian import (
    Apt,
    controller_packages,
    fetch,
    sources,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.process import run
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.pypi_parts import (
    pip_download,
    pip_environment,
)

# glibc versions that wheels are made for: a Debian that has the Python has a newer one than any of these.
_GLIBC = (17, 24, 27, 28, 31, 34, 35)
# What a directory that is gone afterwards is called.
TEMPORARY = ".new-"
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
        for left in directory.glob(f"{TEMPORARY}*"):  # of a run that was killed: nobody else is here
            shutil.rmtree(left, ignore_errors=True)
        self._log = directory / "kit.log"
        self._log.write_bytes(b"")

    def _run(self, what: str, source: str, command: Sequence[str | Path], **options: Any) -> None:
        run(command, what=what, source=source, log=self._log, say=self._say, **options)

    @contextmanager
    def _temporary(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=self._directory) as temporary:
            yield Path(temporary)

    def wheels(self, pythons: Sequence[str]) -> Path:
        """The directory of what requirements/run.txt pins, for each of these Python versions ("3.11").

        Every wheel was compared with the hash that is pinned. What a kit holds is the same without compression (zstd
        does that better, all at once), so that there is a requirements file with the hashes of these, too.
        """
        pins = (self._project / "requirements/run.txt").read_text()
        target = self._kept("wheels", hashlib.sha256(f"{pins}{sorted(pythons)}".encode()).hexdigest()[:16])
        for python in sorted(pythons):
            requirements = target / f"requirements-{python}.txt"
            if not _is_whole(requirements):
                self._say(f"fetching the Python packages for Python {python}")
                with self._temporary() as temporary:
                    self._download(for_python(pins, python), python, temporary)
                    lines = [_plain_wheel(wheel, target) for wheel in sorted(temporary.glob("*.whl"))]
                    (temporary / requirements.name).write_text("".join(lines))
                    (temporary / requirements.name).rename(requirements)
        return target

    def _download(self, requirements: str, python: str, target: Path) -> None:
        """Fetch these wheels for a Python of this machine's architecture."""
        machine = platform.machine()
        platforms = [f"manylinux_2_{minor}_{machine}" for minor in _GLIBC] + [f"manylinux2014_{machine}", "any"]
        pinned = target / "requirements.txt"
        pinned.write_text(requirements)
        command = pip_download(pinned, target, python, platforms)
        self._run("kit: the Python packages", "PyPI", command, env=pip_environment())

    def debian(self, suites: Sequence[str], mirror: str = "") -> Path:
        """The directory of the packages that requirements/debian.txt names, with what they need besides.

        Args:
            suites: Debian's suites; each gets a directory, which is an archive for apt.
            mirror: where Debian's packages are, see kit_debian.sources; empty: where this machine has its own from.
        """
        wanted = controller_packages(self._project)
        for suite in suites:
            self._say(f"fetching the Debian packages for {suite}")
            target = self._directory / "debian" / suite
            target.mkdir(parents=True, exist_ok=True)
            with self._temporary() as temporary:
                fetch(Apt(temporary, sources(suite, mirror)), wanted, target, partial(self._run, f"kit: {suite}"))
        for path in (self._directory / "debian").iterdir():
            if path.name not in suites:
                shutil.rmtree(path)
        return self._directory / "debian"

    def collection(self) -> Path:
        """The directory of the collection's tarball, which is the same whenever it is made."""
        target = self._directory / "collection"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        with self._temporary() as temporary:
            made = temporary / "made.tar"
            if (self._project / "galaxy.yml").is_file():
                galaxy = Path(sys.executable).with_name("ansible-galaxy")
                self._run(
                    "kit: the collection",
                    "ansible-galaxy",
                    [galaxy, "collection", "build", "--output-path", temporary, self._project],
                )
                (made,) = temporary.glob("*.tar.gz")
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


def _is_whole(requirements: Path) -> bool:
    """Whether a requirements file is there, and beside it every wheel that it names, byte for byte."""
    if not requirements.is_file():
        return False
    wanted = set(re.findall(r"--hash=sha256:([0-9a-f]{64})", requirements.read_text()))
    return wanted <= {sha256(wheel) for wheel in requirements.parent.glob("*.whl")}


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
