# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Making a bundle: parts from the cache or built, checked against the lock, put together under one content address.

The cache's layout (all of it may be deleted at any time while no build runs)::

    parts/NAME-KEY/    a built part
    bundles/KEY/       a bundle: bin/ cni/ images/ (OCI layout) wheels/ lock.json
    building/          what is being built, and the tools' logs
    go-mod/ go-build/  Go's own caches, deleted when a bundle is complete
"""

from __future__ import annotations

import dataclasses
import errno
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.container_images import PREFIX
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError, no_space
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.parts import (
    GoPart,
    Image,
    Part,
    Workbench,
    all_parts,
    link_blob,
    sha256,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.recipes import Recipes

# Bytes that building takes in the cache's file system: measured 16 GB with the Go parts, 2.5 GB without.
_NEEDED_WITH_GO = 17e9
_NEEDED_WITHOUT_GO = 3e9

# Tells backup programs, and our own teardown, that this is a cache (https://bford.info/cachedir/).
_CACHE_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# The bundle cache of the workshop. It may be deleted.\n"


@dataclasses.dataclass(frozen=True)
class Bundle:
    """A bundle in the cache.

    Attributes:
        path: its directory.
        changed: whether it was (or, in check mode, would be) made by this call.
        built: seconds by the name of each part that was built (check mode: 0).
    """

    path: Path
    changed: bool
    built: dict[str, float]


class Builder:
    """Makes bundles in one cache directory.

    Args:
        recipes: what to build.
        cache: the cache's root, made when missing.
        say: tells people about the progress, one line at a time.
        update_lock: write supply/lock.yml instead of checking against it.
        keep_go_caches: leave Go's caches for the next build (14 GB).
    """

    def __init__(
        self,
        recipes: Recipes,
        cache: Path,
        say: Callable[[str], None],
        update_lock: bool = False,
        keep_go_caches: bool = False,
    ) -> None:
        self._recipes, self._cache, self._say = recipes, cache, say
        self._update_lock, self._keep_go_caches = update_lock, keep_go_caches
        self._parts = all_parts(recipes)
        self._keys: dict[str, str] = {}
        for part in self._parts:
            self._keys[part.name] = part.key(self._keys)

    @property
    def key(self) -> str:
        """The bundle's content address: 16 hexadecimal digits."""
        return hashlib.sha256(json.dumps([1, self._keys], sort_keys=True).encode()).hexdigest()[:16]

    @property
    def path(self) -> Path:
        """Where the bundle is, or will be."""
        return self._cache / "bundles" / self.key

    def directory(self, name: str) -> Path:
        """Where a part is, or will be."""
        return self._cache / "parts" / f"{name.replace(' ', '-')}-{self._keys[name][:16]}"

    def missing(self) -> list[Part]:
        """The parts that have to be built."""
        return [part for part in self._parts if not self.directory(part.name).is_dir()]

    def ensure(self, check_mode: bool = False) -> Bundle:
        """Return the bundle, made first where it is missing.

        Raises:
            BundleError: it cannot be made; what has been built stays for the next run.
        """
        if self.path.is_dir():
            return Bundle(self.path, changed=False, built={})
        if check_mode:
            return Bundle(self.path, changed=True, built={part.name: 0.0 for part in self.missing()})
        try:
            with self._locked():
                if self.path.is_dir():  # another run, which held the lock, has made it
                    return Bundle(self.path, changed=False, built={})
                self._check_space()
                missing = self.missing()
                self._say(
                    f"{len(self._parts)} parts, of which {len(missing)} are not in the cache and are built now "
                    "(about 30 minutes for all of them on 2 cores)"
                )
                built = self._build_missing(missing)
                # First, since nobody comes back to a bundle that is there.
                if not self._keep_go_caches:
                    self._drop_go_caches()
                self._assemble()
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise BundleError(no_space("bundle", self._existing_parent())) from error
            raise BundleError(f"bundle: {error.strerror}: {error.filename or self._cache}.") from error
        return Bundle(self.path, changed=True, built=built)

    def ensure_part(self, name: str) -> Path:
        """Return the directory of one part (for example "go cni"), built first with what it needs where missing."""
        wanted = {name}
        for part in reversed(self._parts):
            if part.name in wanted:
                wanted.update(part.needs)
        with self._locked():
            self._build_missing([part for part in self.missing() if part.name in wanted])
        return self.directory(name)

    def _existing_parent(self) -> Path:
        return next(path for path in (self._cache, *self._cache.parents) if path.exists())

    def _check_space(self) -> None:
        """Find too little space before anything is built."""
        missing = self.missing()
        needed = _NEEDED_WITHOUT_GO
        if any(isinstance(part, GoPart) for part in missing):
            go_caches = sum(_size(self._cache / name) for name in ("go-build", "go-mod"))
            needed = max(_NEEDED_WITH_GO - go_caches, needed)
        if shutil.disk_usage(self._cache).free < needed:
            raise BundleError(no_space("bundle", self._cache, needed))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other builds out of this cache."""
        self._cache.mkdir(parents=True, exist_ok=True)
        (self._cache / "CACHEDIR.TAG").write_text(_CACHE_TAG)
        with (self._cache / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._say(f"waiting for another build in {self._cache} to end")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _build_missing(self, missing: list[Part]) -> dict[str, float]:
        """Build these parts, one after the other: each has its place in the cache as soon as it is complete."""
        built = {}
        for number, part in enumerate(missing, start=1):
            label = f"[{number}/{len(missing)}] {part.name} {part.version}"
            self._say(f"{label} ...")
            started = time.monotonic()
            workplace = self._cache / "building" / part.name.replace(" ", "-")
            shutil.rmtree(workplace, ignore_errors=True)
            self._build(part, workplace)
            if isinstance(part, GoPart):
                self._check_lock(part, workplace)
            (self._cache / "parts").mkdir(exist_ok=True)
            workplace.rename(self.directory(part.name))
            built[part.name] = round(time.monotonic() - started, 1)
            self._say(f"{label}: {built[part.name]:.0f} s")
        return built

    def _build(self, part: Part, directory: Path) -> None:
        directory.mkdir(parents=True)
        logs = self._cache / "building" / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        bench = Workbench(
            directory=directory,
            log=logs / f"{part.name.replace(' ', '-')}.log",
            cache=self._cache,
            parts={need: self.directory(need) for need in part.needs},
            say=lambda text: self._say(f"    {part.name}: {text}"),
        )
        bench.log.write_bytes(b"")
        part.build(bench)

    def _check_lock(self, part: GoPart, directory: Path) -> None:
        """Compare what Go made with supply/lock.yml, or write it there."""
        made = {path.name: sha256(path) for path in sorted(directory.iterdir())}
        if self._update_lock:
            self._recipes.lock[part.short_name] = made
            text = yaml.safe_dump(self._recipes.lock, explicit_start=True)
            heading = "# sha256 of what the Go parts come out as, everywhere. Written by -e bundle_update_lock=true.\n"
            (self._recipes.supply / "lock.yml").write_text(text.replace("---\n", f"---\n{heading}", 1))
            return
        locked = self._recipes.lock.get(part.short_name, {})
        for name in sorted(made.keys() | locked.keys()):
            if made.get(name) != locked.get(name):
                raise BundleError(
                    f"{part.name}: {name} came out with sha256 {made.get(name)}, and supply/lock.yml has "
                    f"{locked.get(name)}: a source, the toolchain or a recipe differs from what was pinned. "
                    "If that is meant, type -e bundle_update_lock=true."
                )

    def _assemble(self) -> None:
        """Put the parts together (hard links, so that it costs no space) and give the result its name at once."""
        self._say("putting the bundle together")
        new = self._cache / "building" / "bundle"
        shutil.rmtree(new, ignore_errors=True)
        for name, recipe in self._recipes.go.items():
            if recipe.bundle:
                target = new / recipe.bundle
                target.mkdir(parents=True, exist_ok=True)
                for file in sorted(self.directory(f"go {name}").iterdir()):
                    if not recipe.bundled or file.name in recipe.bundled:
                        os.link(file, target / file.name)
                for link in recipe.links:
                    (target / link).symlink_to(name)
        shutil.copytree(self.directory("wheels services"), new / "wheels", copy_function=os.link)
        images = self._merge_images(new / "images")
        lock = {
            "key": self.key,
            "supply": "packages",
            "images": images,
            "parts": [
                {"name": part.name, "version": part.version, "key": self._keys[part.name]}
                | ({"sha256": _digests(self.directory(part.name))} if not isinstance(part, Image) else {})
                for part in self._parts
                if part.kind != "toolchain"
            ],
        }
        (new / "lock.json").write_text(json.dumps(lock, indent=2) + "\n")
        self.path.parent.mkdir(exist_ok=True)
        new.rename(self.path)

    def _merge_images(self, target: Path) -> dict[str, str]:
        """One OCI layout of all images. Returns the reference that nodes know each by, by name."""
        blobs = target / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        manifests, images = [], {}
        for name, recipe in self._recipes.images.items():
            if recipe.internal:
                continue
            layout = self.directory(f"image {name}") / "image"
            for blob in (layout / "blobs" / "sha256").iterdir():
                if not (blobs / blob.name).exists():
                    link_blob(str(blob), str(blobs / blob.name))
            (manifest,) = json.loads((layout / "index.json").read_text())["manifests"]
            tag = self._recipes.expand(recipe.tag)
            reference = f"{PREFIX}/{name}:{tag}"
            manifest["annotations"] = {
                "org.opencontainers.image.ref.name": f"{name}:{tag}",
                "io.containerd.image.name": reference,
            }
            manifests.append(manifest)
            images[name] = reference
        (target / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        (target / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": manifests}))
        return images

    def _drop_go_caches(self) -> None:
        for name in ("go-build", "go-mod"):
            for path in (self._cache / name).glob("**/"):  # Go makes its module cache read-only
                path.chmod(0o755)
            shutil.rmtree(self._cache / name, ignore_errors=True)


def _digests(directory: Path) -> dict[str, str]:
    """sha256 by path of every file below `directory`."""
    return {str(path.relative_to(directory)): sha256(path) for path in sorted(directory.rglob("*")) if path.is_file()}


def _size(directory: Path) -> int:
    """Bytes of all files below `directory`."""
    return sum(path.lstat().st_size for path in directory.rglob("*") if path.is_file())
