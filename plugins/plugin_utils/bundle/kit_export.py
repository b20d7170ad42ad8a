# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Making a kit of a bundle, and of what a fresh machine needs besides."""

from __future__ import annotations

import dataclasses
import os
import platform
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.contract import LOCK
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit import (
    BUNDLE,
    KitError,
    Manifest,
    pins,
    version_of,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_contents import Contents
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_reader import MAGIC, read_manifest, unpack
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_sign import check_sign_key, sign
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_signature import SUFFIX
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_writer import members, write
from ansible_collections.istio_games.workshop.plugins.plugin_utils.paths import nearest
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.settings import MIRROR

# The Python of each Debian suite that a controller may be.
PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}
_NEEDED = 1_500_000_000  # bytes in the kit's and the cache's file system: the kit itself, and what is fetched for it


@dataclasses.dataclass(frozen=True)
class Request:
    """What kit is wanted.

    Attributes:
        file: where it is written.
        suites: the Debian suites whose packages it holds, and for whose Python it holds wheels.
        mirror: where Debian's packages are; empty: where this machine has its own from.
        sign_key: a file with minisign's secret key; empty: it is not signed.
    """

    file: Path
    suites: tuple[str, ...]
    mirror: str = ""
    sign_key: str = ""

    def check(self, cache: Path) -> None:
        """Raise KitError for what cannot be, before anything is fetched.

        Args:
            cache: the root of the cache, to which it is fetched.
        """
        self._check_file()
        if not self.suites:
            raise KitError(
                f"kit_suites names no Debian suite, but must be some of {', '.join(PYTHONS)}: for example "
                "-e kit_suites=bookworm."
            )
        if unknown := sorted(set(self.suites) - set(PYTHONS)):
            raise KitError(
                f"kit_suites names {', '.join(unknown)}, but must be some of {', '.join(PYTHONS)}: for example "
                "-e kit_suites=bookworm."
            )
        if self.mirror and not all(MIRROR.fullmatch(url) for url in self.mirror.split(",")):
            raise KitError(
                f"kit_debian_mirror is {self.mirror!r:.80}, but must be URLs of Debian mirrors (http, https or file; a "
                "password belongs into /etc/apt/auth.conf.d) with commas between: for example "
                "-e kit_debian_mirror=https://mirror.example/debian."
            )
        if not shutil.which("zstd"):
            raise KitError("zstd compresses a kit and is not installed: type apt-get install zstd.")
        if self.sign_key:
            check_sign_key(self.sign_key)
        for directory, other in (
            (self.file.parent, "kit_file=/another/directory/workshop.kit"),
            (nearest(cache), "workshop_cache_dir=/another/directory"),
        ):
            if (free := shutil.disk_usage(directory).free) < _NEEDED:
                raise KitError(
                    f"No space for a kit in {directory}: {_NEEDED / 1e6:.0f} MB are needed, and {free / 1e6:.0f} MB "
                    f"are free: name another place with -e {other}."
                )

    def _check_file(self) -> None:
        """Raise KitError unless the kit can be written there, in the place of another one at most."""
        file = self.file
        if file.is_dir():
            raise KitError(f"kit_file is {file}, a directory: name a file in it, such as {file}/workshop.kit.")
        if not file.parent.is_dir():
            raise KitError(f"kit_file is {file}, but there is no directory {file.parent}: make it first.")
        if file.exists() and not (file.is_file() and _may_go(file)):
            raise KitError(
                f"kit_file is {file}, which is there, and is no kit: name another file, or remove that one first."
            )
        if not os.access(file.parent, os.W_OK | os.X_OK, effective_ids=True):
            raise KitError(
                f"kit_file is {file}, but {file.parent} cannot be written: name another place, for example "
                "-e kit_file=/another/directory/workshop.kit."
            )


def _may_go(file: Path) -> bool:
    """Whether a file is empty, or looks like a kit, also one that was cut or is of another version."""
    try:
        with file.open("rb") as stream:
            return stream.read(len(MAGIC)) in (b"", MAGIC)
    except OSError:
        return False


def export(
    request: Request,
    project: Path,
    bundle: Path,
    fetched: Path,
    say: Callable[[str], None],
) -> bool:
    """Write the kit, unless the file already is that kit. Returns whether it was written.

    Args:
        bundle: a verified bundle's directory; its name is its key.
        fetched: a directory for what is fetched, which is kept for the next time.

    Raises:
        KitError: it cannot be made; an older kit of that name is still there.
    """
    if not (bundle / LOCK).is_file():
        raise KitError(f"The bundle {bundle} has gone meanwhile: run the same command again.")
    contents = Contents(project, fetched, say)
    tops = {
        "collection": contents.collection(),
        "debian": contents.debian(request.suites, request.mirror),
        "wheels": contents.wheels([PYTHONS[suite] for suite in request.suites]),
    }
    say("writing down what these are, and under which licences")
    tops |= {"sbom": _bill_of_materials(tops, project, fetched), BUNDLE: bundle}
    say("reading what the kit will hold")
    manifest = Manifest(
        version=version_of(project),
        architecture=platform.machine(),
        pins=pins(project),
        bundle=bundle.name,
        suites={suite: PYTHONS[suite] for suite in sorted(request.suites)},
        members=tuple(members(tops)),
    )
    written = not _is(request.file, manifest, say)
    if written:
        say(f"writing {request.file} ({sum(member.size for member in manifest.members) / 1e6:.0f} MB before zstd)")
        request.file.with_name(request.file.name + SUFFIX).unlink(missing_ok=True)
        write(request.file, manifest, tops, say)
    signed = bool(request.sign_key) and sign(request.file, request.sign_key)
    return written or signed


def _bill_of_materials(tops: Mapping[str, Path], project: Path, fetched: Path) -> Path:
    """Give the directory of the document of what the kit holds besides the bundle."""
    # Its libraries take a second to load, which only this needs.
    from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import recipes, sbom_kit

    target = fetched / "sbom"
    target.mkdir(exist_ok=True)
    epoch = recipes.load(project / "supply").epoch
    (target / sbom_kit.NAME).write_text(sbom_kit.document(tops, version_of(project), epoch))
    return target


def _is(path: Path, manifest: Manifest, say: Callable[[str], None]) -> bool:
    """Whether a file is the kit with this manifest."""
    try:
        return path.is_file() and read_manifest(path) == manifest == unpack(path, {}, say)
    except KitError:
        return False
