# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What stands in a bill of materials: programs and their Go modules, Debian's packages, Python's wheels."""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from email.parser import HeaderParser
from pathlib import Path, PurePosixPath
from typing import Any

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.component import Component, ComponentType
from packageurl import PackageURL

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.contract import sha256
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.debian_part import packages
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.sbom_licences import (
    licences,
    of_debian,
    of_python,
)

_COPYRIGHT = re.compile(r"usr/share/doc/([^/]+)/copyright")
# Go's own version of a main package that is this project's.
_OURS = "(devel)"


def component(
    name: str,
    version: str,
    licence_names: Iterable[str],
    *,
    purl: PackageURL | None = None,
    ref: str = "",
    file: Path | None = None,
    kind: ComponentType = ComponentType.LIBRARY,
) -> Component:
    """Make an entry, whose reference is its package URL unless `ref` is given; `file` is what it is, byte for byte."""
    return Component(
        name=name,
        version=version or None,
        type=kind,
        purl=purl,
        bom_ref=ref or str(purl),
        licenses=licences(licence_names),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256(file))] if file else [],
    )


class GoModules:
    """What Go programs say that they were linked from.

    Args:
        go: the `go` command.
        known: licence by "MODULE VERSION" (supply/licences.yml).
        toolchain: version and licence of the Go that has compiled them.
    """

    def __init__(self, go: Path, known: Mapping[str, str], toolchain: tuple[str, str]) -> None:
        self._go, self._known, self._toolchain = go, known, toolchain

    def linked(self, program: Path) -> list[Component] | None:
        """The modules in a program, its own and Go's standard library included; None when it is no Go program.

        Raises:
            BundleError: a module's licence is not known.
        """
        done = subprocess.run(
            [self._go, "version", "-m", "-json", program], check=False, capture_output=True, text=True
        )
        if done.returncode or not done.stdout.strip():
            return None
        version, licence = self._toolchain
        standard = PackageURL("golang", None, "stdlib", version)
        return [
            component("stdlib", version, [licence], purl=standard),
            *(self._module(*module) for module in modules(json.loads(done.stdout))),
        ]

    def _module(self, path: str, version: str) -> Component:
        if f"{path} {version}" not in self._known:
            raise BundleError(
                f"No licence of the Go module {path} {version} is known: type scripts/list_go_licences, which writes "
                "supply/licences.yml."
            )
        namespace, _, name = path.rpartition("/")
        return component(
            path,
            version,
            [self._known[f"{path} {version}"]],
            purl=PackageURL("golang", namespace or None, name, version),
        )


def modules(built: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Path and version of what a Go program's build information names, as what it was replaced by; ours left out.

    >>> list(modules({"Main": {"Path": "a", "Version": "(devel)"}, "Deps": [
    ...     {"Path": "b", "Version": "v1", "Replace": {"Path": "c", "Version": "v2"}}]}))
    [('c', 'v2')]
    """
    for named in (built.get("Main", {}), *built.get("Deps", [])):
        module = named.get("Replace", named)
        if module and module["Version"] != _OURS:
            yield module["Path"], module["Version"]


def debian_packages(part: Path, suite: str) -> list[Component]:
    """The packages of a root file system, in the directory of its part."""
    with tarfile.open(part / "layer.tar") as layer:
        texts = copyrights([layer])
    return [
        debian_package(*package, suite, of_debian(package[0], texts.get(package[0], "")))
        for package in packages((part / "packages").read_text())
    ]


def debian_package(
    name: str,
    version: str,
    architecture: str,
    suite: str,
    names: Iterable[str],
    *,
    ref: str = "",
    file: Path | None = None,
) -> Component:
    """One package of Debian, under licences of these names; `ref` and `file` as of `component`."""
    purl = PackageURL("deb", "debian", name, version, {"arch": architecture, "distro": suite})
    return component(name, version, names, purl=purl, ref=ref, file=file)


def copyrights(archives: Iterable[tarfile.TarFile]) -> dict[str, str]:
    """The copyright files in archives, by package; one whose directory is a link has what that leads to."""
    texts, links = {}, {}
    for archive in archives:
        for entry in archive:
            path = PurePosixPath(entry.name)  # without the "./" of a package of Debian
            if (found := _COPYRIGHT.fullmatch(str(path))) and entry.isreg():
                stream = archive.extractfile(entry)
                texts[found[1]] = stream.read().decode(errors="replace") if stream else ""
            elif entry.issym() and path.parent == PurePosixPath("usr/share/doc"):
                links[path.name] = PurePosixPath(entry.linkname).name
            elif found and entry.issym():
                links[found[1]] = PurePosixPath(entry.linkname).parent.name
    return texts | {name: texts[target] for name, target in links.items() if target in texts}


def wheel(file: Path, ref: str = "") -> Component:
    """A wheel, as its own metadata has it; `ref` as of `component`."""
    with zipfile.ZipFile(file) as archive:
        (path,) = (name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        metadata = HeaderParser().parsestr(archive.read(path).decode())
    name, version = str(metadata["Name"]), str(metadata["Version"])
    purl = PackageURL("pypi", None, re.sub(r"[-_.]+", "-", name).lower(), version)
    return component(name, version, of_python(metadata), purl=purl, ref=ref, file=file)
