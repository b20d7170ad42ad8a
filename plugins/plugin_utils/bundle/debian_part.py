# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parts that are root file systems of Debian packages."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import debian_archive
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.layers import normalize_root_filesystem
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.part import Part, Workbench, environment
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.recipes import Recipes


class RootFilesystem(Part):
    """A Debian root file system as `layer.tar`, with the versions of its packages beside it."""

    kind = "debian"

    def __init__(self, name: str, recipes: Recipes) -> None:
        super().__init__(name, recipes)
        self.recipe, self.version = recipes.rootfs[name], recipes.debian.suite

    def inputs(self) -> Any:
        """Not the mirror: Debian's signatures vouch for the content, wherever it comes from."""
        recipe, architecture = self.recipe, self.recipes.architecture.debian
        return [self.version, architecture, recipe.variant, recipe.packages, recipe.applets, self.recipes.epoch]

    def _sources(self) -> list[str]:
        return debian_archive.sources(self.recipes.debian.suite, self.recipes.debian_mirror)

    def check(self) -> None:
        """Raise BundleError when it is not known where Debian's packages are."""
        self._sources()

    def build(self, bench: Workbench) -> None:
        lines = self._sources()
        raw = bench.directory / "raw.tar"
        # As files, since either may hold a password.
        sources, settings = bench.directory / "sources.list", bench.directory / "apt.conf"
        for file, text in ((sources, "\n".join(lines) + "\n"), (settings, debian_archive.apt_settings())):
            file.touch(0o600)
            file.write_text(text)
        try:
            bench.run(
                self.name,
                f"Debian's package archive at {debian_archive.hosts(lines)}",
                [
                    "mmdebstrap",
                    f"--mode={'root' if os.geteuid() == 0 else 'auto'}",
                    f"--variant={self.recipe.variant}",
                    f"--architectures={self.recipes.architecture.debian}",
                    *("--format=tar", f"--include={','.join(self.recipe.packages)}"),
                    *("--aptopt=APT::Install-Recommends false", "--aptopt=Acquire::Retries 3", f"--aptopt={settings}"),
                    *(f"--dpkgopt=path-exclude=/usr/share/{kind}/*" for kind in ("man", "info", "locale")),
                    *self._listing_hook(bench.directory / "packages"),
                    *self._applets_hook(),
                    *(self.version, raw, sources),
                ],
                env=environment() | {"SOURCE_DATE_EPOCH": str(self.recipes.epoch)},
            )
        finally:
            for file in (sources, settings):
                file.unlink()
        layer, listing = bench.directory / "layer.tar", bench.directory / "packages"
        normalize_root_filesystem(raw, layer, self.recipes.epoch)
        if not listing.exists():
            listing.write_text(installed(layer))
        raw.unlink()
        self._tell_drift(bench)

    def _listing_hook(self, listing: Path) -> list[str]:
        """How to list what it is made of where that is only unpacked: by the names of the package files."""
        if self.recipe.variant != "extract":
            return []
        return [f"--extract-hook=ls \"$1/var/cache/apt/archives\" > '{listing}'"]

    def _applets_hook(self) -> list[str]:
        """How busybox makes links of the names that it answers to."""
        if not self.recipe.applets:
            return []
        return [
            '--extract-hook=mkdir -p "$1/bin" "$1/sbin" "$1/usr/bin" "$1/usr/sbin"',
            f'--extract-hook=chroot "$1" {self.recipe.applets} --install -s',
        ]

    def _tell_drift(self, bench: Workbench) -> None:
        """Say which packages have another version than the tried one: Debian's archive keeps only the newest."""
        got = {name: version for name, version, _ in packages((bench.directory / "packages").read_text())}
        for package in self.recipe.packages:
            tried = self.recipes.debian.tried.get(package)
            if tried and got.get(package) != tried:
                bench.say(f"Debian now has {package} {got.get(package)}; {tried} was tried")


def installed(layer: Path) -> str:
    """List what dpkg's database in a layer has: name, version and architecture, with tabs between."""
    with tarfile.open(layer) as archive:
        stream = archive.extractfile("var/lib/dpkg/status")
        assert stream
        paragraphs = [HeaderParser().parsestr(text) for text in stream.read().decode().split("\n\n") if text.strip()]
    return "".join(
        f"{found['Package']}\t{found['Version']}\t{found['Architecture']}\n"
        for found in paragraphs
        if found["Status"] == "install ok installed"
    )


def packages(listing: str) -> Iterator[tuple[str, str, str]]:
    """Name, version and architecture of packages, from names of package files or from what `installed` gives.

    >>> list(packages("busybox_1%3a1.35.0-4_amd64.deb"))
    [('busybox', '1:1.35.0-4', 'amd64')]
    """
    for line in listing.splitlines():
        if line.endswith(".deb"):
            name, version, architecture = line.removesuffix(".deb").split("_")
            yield name, version.replace("%3a", ":"), architecture
        elif line.count("\t") == 2:
            name, version, architecture = line.split("\t")
            yield name, version, architecture
