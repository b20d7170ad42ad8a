# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Taking a kit into the cache: found by content, verified before anything is changed, in place all at once.

In the cache (the bundle is where one that was built would be, see builder.py)::

    kits/SHA256.json   the manifest of a kit file of that sha256 that was verified and unpacked
    kits/pulled/       what came from a registry (kit_pull.py)

What a fresh machine needs before Ansible runs (wheels, Debian packages) is unpacked beside the project, where its
owner can read it: `Use.extras`.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.contract import LOCK, sha256
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import unusable
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit import (
    BUNDLE,
    COPY,
    DamagedError,
    KitError,
    Manifest,
    check_fits,
    pins,
    version_of,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_pull import Puller
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_reader import read_manifest, unpack
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_registry import (
    Reference,
    Registry,
    reference,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_signature import SUFFIX, check_signature
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.store import (
    locked,
    readable,
    shared_directory,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.paths import expanded, nearest

# Of a kit, what is unpacked beside the project; the rest that is not the bundle (the collection) is for people.
EXTRAS = ("wheels", "debian")
_SPARE = 50_000_000  # bytes that are left free besides
_WORKPLACE = ".kit-"


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a kit is.

    Attributes:
        kit: its file, or HOST/NAME@sha256:DIGEST.
        key: minisign's public key, or its file: the kit must be signed by it. Empty: a signature is not asked for.
        login: of a registry's kit, a file of logins (see kit_pull.Puller); empty: none.
        ca: of a registry's kit, a file of CA certificates; empty: this machine's own.
    """

    kit: str
    key: str = ""
    login: str = ""
    ca: str = ""


@dataclasses.dataclass(frozen=True)
class Taken:
    """A kit that was taken into the cache.

    Attributes:
        bundle: the bundle's directory.
        extras: where its wheels and Debian packages are, when asked for.
        changed: whether anything was written (check mode: would be).
        manifest: what the kit says of itself.
    """

    bundle: Path
    extras: Path | None
    changed: bool
    manifest: Manifest


class Use:
    """How a project takes kits.

    Args:
        project: the checkout, or the installed collection.
        cache: the cache's root, made when missing.
        say: tells people about the progress, one line at a time.
        verify_bundle: raises a WorkshopError for a bundle's directory that is not what its lock says.
        extras: the directory below which wheels and Debian packages are unpacked; None: they are not.
        bundle: the key of the bundle that the project needs; empty: it is not known here.
    """

    def __init__(
        self,
        project: Path,
        cache: Path,
        say: Callable[[str], None],
        verify_bundle: Callable[[Path], object],
        extras: Path | None = None,
        bundle: str = "",
    ) -> None:
        self._project, self._cache, self._say = project, cache, say
        self._verify_bundle, self._extras, self._bundle = verify_bundle, extras, bundle

    def take(self, source: Source, check_mode: bool = False) -> Taken:
        """Verify a kit, and unpack what of it is not there yet.

        Raises:
            KitError: it cannot be used; nothing was changed.
        """
        try:
            wanted = reference(source.kit)
            if not wanted:
                return self._take_file(expanded(source.kit), source.key, check_mode)
            pulled = self._pulled(wanted, source)
            try:
                return self._take_file(pulled, source.key, check_mode)
            except DamagedError:
                pulled.unlink(missing_ok=True)  # what is kept must not stand in the way of a good one
                raise
        except OSError as error:
            if not _is_of(error.filename, self._cache):
                where = error.filename or source.kit
                raise KitError(f"The kit cannot be used: {error.strerror}: {where}; nothing was changed.") from error
            raise KitError(f"The kit cannot be put into the cache: {unusable(error, self._cache)}") from error

    def _pulled(self, wanted: Reference, source: Source) -> Path:
        puller = Puller(self._cache / "kits/pulled", Registry(wanted, source.login, source.ca), self._say)
        if not puller.is_there():
            with locked(self._cache, self._say):  # two rooms may want it at once
                puller.pull()
        return puller.place

    def _take_file(self, path: Path, key: str, check_mode: bool) -> Taken:
        manifest = read_manifest(path)
        if key:
            check_signature(path, path.with_name(path.name + SUFFIX), key)
        check_fits(manifest, str(path), version_of(self._project), pins(self._project), self._bundle)
        digest = sha256(path)
        stamp = self._cache / "kits" / f"{digest}.json"
        bundle = self._cache / "bundles" / manifest.bundle
        extras = self._extras / digest[:16] if self._extras else None
        whole = self._is_whole(bundle, manifest)
        new_extras_at = self._extras if extras and not _holds(extras, manifest) else None
        taken = Taken(bundle, extras, not whole or new_extras_at is not None, manifest)
        if stamp.is_file() and not taken.changed:
            self._say(f"{path}: its bundle {manifest.bundle} is in the cache")
            return taken
        if check_mode:
            unpack(path, {}, self._say)
            return taken
        self._check_space(path, manifest, None if whole else self._cache, new_extras_at)
        with (
            self._turn(of_cache=not whole, of_extras=new_extras_at is not None),
            _workplace(None if whole else self._cache) as new,
            _workplace(new_extras_at) as new_extras,
        ):
            if new:  # a run that is killed from here on has not taken the kit
                stamp.unlink(missing_ok=True)
            targets = {BUNDLE: new} if new else {}
            targets |= {top: new_extras / top for top in EXTRAS} if new_extras else {}
            unpack(path, targets, self._say)
            if new:
                self._put(path, manifest, new, bundle)
            if extras and new_extras:
                readable(new_extras)
                shutil.rmtree(extras, ignore_errors=True)
                new_extras.rename(extras)
                for other in extras.parent.iterdir():  # of a kit of before, half a gigabyte each
                    if other != extras and other.is_dir():
                        shutil.rmtree(other, ignore_errors=True)
            with suppress(OSError) if whole else nullcontext():  # of somebody else's cache it is read again next time
                shared_directory(stamp.parent)
                stamp.write_bytes(manifest.dump())
                stamp.chmod(0o644)
        return taken

    @contextmanager
    def _turn(self, of_cache: bool, of_extras: bool) -> Iterator[None]:
        """Keep other runs out of the places that something is put into, and remove what killed ones have left there.

        Of a place where everything is already, as far as it may be written.
        """
        with ExitStack() as stack:
            for directory, wanted in ((self._cache, of_cache), (self._extras, of_extras)):
                try:
                    if directory:
                        shared_directory(directory.parent)
                        stack.enter_context(locked(directory, self._say))
                        for left in directory.glob(f"{_WORKPLACE}*"):
                            shutil.rmtree(left, ignore_errors=True)
                except OSError:
                    if wanted:
                        raise
            yield

    def _put(self, path: Path, manifest: Manifest, new: Path, bundle: Path) -> None:
        """Give a bundle that was unpacked its place, unless the very same is there, and good."""
        readable(new)
        try:
            self._verify_bundle(new)
        except WorkshopError as error:
            raise KitError(
                f"{path} holds a bundle that cannot be used: {error} Make it anew with playbooks/export_kit.yml; "
                "nothing was changed."
            ) from error
        key = json.loads((new / LOCK).read_text()).get("key")
        if key != manifest.bundle:
            raise DamagedError(f"{path} holds the bundle {key!r}, and its manifest says {manifest.bundle}. {COPY}")
        if not self._is_whole(bundle, manifest):
            shared_directory(bundle.parent)
            old = new.with_name(f"{new.name}.old")
            if bundle.exists():
                bundle.rename(old)
            new.rename(bundle)
            shutil.rmtree(old, ignore_errors=True)

    def _is_whole(self, bundle: Path, manifest: Manifest) -> bool:
        """Whether the cache's bundle is the kit's, byte for byte: another may be there, of somebody else."""
        if not bundle.is_dir():
            return False
        try:
            self._verify_bundle(bundle)
            found = sha256(bundle / LOCK)
        except WorkshopError as error:
            self._say(f"{error} The kit's takes its place.")
            return False
        except FileNotFoundError:  # another run gives it another place
            return False
        of_kit = {member.name: member.sha256 for member in manifest.members}
        if found != of_kit.get(f"{BUNDLE}/{LOCK}"):
            self._say(f"The bundle {bundle} is another build than the kit's, which takes its place.")
            return False
        return True

    def _check_space(self, path: Path, manifest: Manifest, cache: Path | None, extras: Path | None) -> None:
        """Find too little space before anything is written, to these directories."""
        needed: dict[int, list[tuple[Path, int]]] = {}
        wanted = [(cache, manifest.size(BUNDLE)), (extras, sum(manifest.size(top) for top in EXTRAS))]
        for directory, size in wanted:
            if directory:
                there = nearest(directory)
                needed.setdefault(there.stat().st_dev, []).append((there, size))
        for found in needed.values():
            directory, total = found[0][0], sum(size for _, size in found) + _SPARE
            free = shutil.disk_usage(directory).free
            if free < total:
                raise KitError(
                    f"No space for what {path} holds: {total / 1e6:.0f} MB are needed in {directory}'s file system, "
                    f"and {free / 1e6:.0f} MB are free. Free some, or put the cache elsewhere with "
                    "-e workshop_cache_dir=/another/directory; nothing was changed."
                )


def _holds(extras: Path, manifest: Manifest) -> bool:
    """Whether what was unpacked beside the project is what the kit holds."""
    wanted = [member for member in manifest.members if member.top in EXTRAS and not member.link]
    return all((extras / member.name).is_file() and sha256(extras / member.name) == member.sha256 for member in wanted)


def _is_of(path: object, directory: Path) -> bool:
    """Whether a path is below a directory, or one that is made for it."""
    return isinstance(path, str) and (Path(path).is_relative_to(directory) or directory.is_relative_to(path))


@contextmanager
def _workplace(directory: Path | None) -> Iterator[Path | None]:
    """An empty directory below `directory`, that is gone afterwards unless it was renamed."""
    if directory is None:
        yield None
        return
    new = Path(tempfile.mkdtemp(prefix=_WORKPLACE, dir=directory))
    try:
        yield new
    finally:
        shutil.rmtree(new, ignore_errors=True)
