# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The bill of materials of what a kit holds besides the bundle, which has documents of its own."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from email.parser import HeaderParser
from pathlib import Path

from cyclonedx.model.component import Component, ComponentType

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.sbom_components import (
    component,
    copyrights,
    debian_package,
    wheel,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.sbom_document import SUFFIX, Tree
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.sbom_licences import of_debian

NAME = f"kit{SUFFIX}"
_OWN_LICENCE = "GPL-3.0-or-later"


def document(tops: Mapping[str, Path], version: str, epoch: int) -> str:
    """Give the document: every file that a machine installs, under its name in the kit.

    Args:
        tops: the kit's directories wheels, debian (an archive for each suite) and collection.
        version: the collection's.
        epoch: the time that the document bears (seconds since 1970).

    Raises:
        BundleError: a package of Debian cannot be read.
    """
    tree = Tree()
    whole = Component(name="istio-workshop-kit", version=version, type=ComponentType.APPLICATION, bom_ref="kit")
    tree.add(whole, [*_wheels(tops["wheels"]), *_packages(tops["debian"]), *_collection(tops["collection"], version)])
    return tree.document(whole, epoch)


def _wheels(directory: Path) -> Iterator[Component]:
    for file in sorted(directory.glob("*.whl")):
        yield wheel(file, ref=f"wheels/{file.name}")


def _packages(directory: Path) -> Iterator[Component]:
    for suite in sorted(directory.iterdir()):
        index = dict(_index(suite / "Packages"))
        texts = copyrights(_contents(suite))
        for file in sorted(suite.glob("*.deb")):
            if file.name not in index:
                raise BundleError(
                    f"{suite / 'Packages'} does not name {file.name}: remove {suite}, and make the kit again."
                )
            name, version, architecture = index[file.name]
            licences = of_debian(name, texts.get(name, ""))
            ref = f"debian/{suite.name}/{file.name}"
            yield debian_package(name, version, architecture, suite.name, licences, ref=ref, file=file)


def _index(packages: Path) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """What an archive's index says of each file: name, version and architecture of its package."""
    for stanza in packages.read_text().split("\n\n"):
        if stanza.strip():
            fields = HeaderParser().parsestr(stanza.lstrip("\n"))
            yield Path(fields["Filename"]).name, (fields["Package"], fields["Version"], fields["Architecture"])


def _contents(suite: Path) -> Iterator[tarfile.TarFile]:
    """What each of a suite's packages unpacks to."""
    for file in sorted(suite.glob("*.deb")):
        done = subprocess.run(["dpkg-deb", "--fsys-tarfile", file], check=False, capture_output=True)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()[-100:]
            raise BundleError(f"{file} cannot be read ({said}): remove it, and make the kit again.")
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            yield archive


def _collection(directory: Path, version: str) -> Iterator[Component]:
    for file in sorted(directory.iterdir()):
        yield component("istio_games.workshop", version, [_OWN_LICENCE], ref=f"collection/{file.name}", file=file)
