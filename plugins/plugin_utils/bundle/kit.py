# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A kit's manifest: what it says, what is allowed in it, and whether this project and machine can use it.

A kit is one tar file, compressed by zstd, whose first member is `manifest.json`. Everything else is a member that the
manifest names, with its size and sha256, in the manifest's order::

    bundle/      the bundle: binaries, images, wheels of the services
    sbom/        what is in it, as CycloneDX
    wheels/      the project's own Python packages
    debian/      SUITE/: the Debian packages that a controller needs, with their index
    collection/  the collection's tarball

All of plugin_utils/bundle/kit*.py runs before anything is installed: it imports Python's own library alone.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import platform
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.terminal import printable

KIND, SCHEMA = "istio-workshop-kit", 2
MANIFEST = "manifest.json"
MANIFEST_LIMIT = 16 << 20  # bytes
BUNDLE = "bundle"
# Bytes of all members: a kit has some gigabytes, and a few that are compressed may stand for as many as anybody likes.
MOST = 1 << 36
_LONGEST_NAME = 255  # bytes, of a file in a directory
_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(r"[0-9a-f]{16,64}")
# What decides whether a kit is this project's: globs of the files in it that say what a room is made of.
_PINS = ("supply/**/*", "requirements/run.txt", "requirements/debian*.txt", "services/*/*/requirements.txt")


class KitError(WorkshopError):
    """A kit cannot be made or used. The message is one sentence for people, whatever a path or a kit is called."""

    def __init__(self, message: str) -> None:
        # A name may hold what would end the line, or tell a terminal something.
        super().__init__(printable(message, kept=""))


class DamagedError(KitError):
    """A kit is not what it was when it was made."""


class Piece(NamedTuple):
    """A part of a file's content.

    Attributes:
        size: bytes.
        holder: the place in the manifest's order of an earlier member that has the same bytes; None: they are the
            kit's own, the next ones of its member for the file.
        offset: where in the holder.
    """

    size: int
    holder: int | None = None
    offset: int = 0


@dataclasses.dataclass(frozen=True)
class Member:
    """One file of a kit.

    Attributes:
        name: its path, relative and without "..".
        size: bytes.
        sha256: hexadecimal.
        executable: whether it can be run.
        link: empty, or the name, in the same directory, that it is a symbolic link to.
        pieces: empty when the tar file holds all of it; else what it is put together from, in order. What stands in
            two images, or in an image and beside it, is in the kit once.
        own: sha256 of what the tar file has of it (hexadecimal), where that is not all or nothing.
    """

    name: str
    size: int = 0
    sha256: str = ""
    executable: bool = False
    link: str = ""
    pieces: tuple[Piece, ...] = ()
    own: str = ""

    @property
    def stored(self) -> int:
        """The bytes that the kit's tar file has of it."""
        if self.pieces:
            return sum(piece.size for piece in self.pieces if piece.holder is None)
        return self.size

    @property
    def has_entry(self) -> bool:
        """Whether the kit's tar file has an entry for it."""
        return not self.link and (self.stored > 0 or not self.pieces)

    @property
    def top(self) -> str:
        """The directory of a kit that it belongs to."""
        return self.name.partition("/")[0]

    def check(self) -> None:
        """Raise ValueError for what no kit has: a path that leads elsewhere, a strange size."""
        path = PurePosixPath(self.name)
        if path.is_absolute() or ".." in path.parts or str(path) != self.name or len(path.parts) < 2:
            raise ValueError(f"a member called {self.name!r}")
        if "\0" in self.name + self.link or any(
            len(part.encode()) > _LONGEST_NAME for part in (*path.parts, self.link)
        ):
            raise ValueError(f"a member called {self.name!r:.80} (or its link) that no file can be called")
        if type(self.executable) is not bool:
            raise ValueError(f"{self.name} that is neither executable nor not")
        if self.link:
            if "/" in self.link or self.link in {".", ".."}:
                raise ValueError(f"a link to {self.link!r}")
        elif not _SHA256.fullmatch(self.sha256) or type(self.size) is not int or self.size < 0:
            raise ValueError(f"{self.name} without a size and a sha256")
        elif self.pieces and sum(piece.size for piece in self.pieces) != self.size:
            raise ValueError(f"{self.name} from pieces of another size")


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a kit says of itself.

    Attributes:
        version: the collection's version that it was made by, and for.
        architecture: as `uname -m` says it.
        pins: what `pins` gives of the project that it was made by.
        bundle: the bundle's key.
        suites: by Debian suite whose packages it holds, the Python version (3.N) whose wheels it holds.
        members: in the file's order.
    """

    version: str
    architecture: str
    pins: str
    bundle: str
    suites: dict[str, str]
    members: tuple[Member, ...]

    def dump(self) -> bytes:
        """Give it as `manifest.json`."""
        data: dict[str, Any] = {"kind": KIND, "schema": SCHEMA} | dataclasses.asdict(self)
        defaults = {field.name: field.default for field in dataclasses.fields(Member)}
        data["members"] = [
            {key: value for key, value in member.items() if value != defaults[key]} for member in data["members"]
        ]
        return json.dumps(data, indent=1).encode() + b"\n"

    def size(self, top: str) -> int:
        """The bytes of what is below one of its directories."""
        return sum(member.size for member in self.members if member.top == top)


def parse(text: bytes, name: str) -> Manifest:
    """Read a manifest.

    Args:
        text: `manifest.json`.
        name: the kit, for the messages.

    Raises:
        KitError: it is no kit's manifest, or one of another schema.
    """
    try:
        data = json.loads(text)
        if data.pop("kind") != KIND:
            raise ValueError("another kind of file")
        schema = data.pop("schema")
        if schema != SCHEMA:
            raise KitError(
                f"{name} is a kit of schema {schema!r:.20}, and this project reads schema {SCHEMA}: make it anew with "
                "playbooks/export_kit.yml of this project."
            )
        members = tuple(
            Member(**member | {"pieces": tuple(Piece(*piece) for piece in member.get("pieces", ()))})
            for member in data.pop("members")
        )
        manifest = Manifest(members=members, **data)
        _check(manifest)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DamagedError(f"{name} is damaged: its manifest cannot be read ({error}). {COPY}") from error
    return manifest


COPY = "Copy or download it again; nothing was changed."


def _check(manifest: Manifest) -> None:
    texts = (manifest.version, manifest.architecture, manifest.pins, manifest.bundle)
    if not all(isinstance(text, str) for text in texts) or not _KEY.fullmatch(manifest.bundle):
        raise ValueError("no bundle is named")
    if not isinstance(manifest.suites, dict) or not manifest.members:
        raise ValueError("it holds nothing")
    if not all(isinstance(python, str) for python in manifest.suites.values()):
        raise ValueError("a suite without a Python")
    seen: set[str] = set()
    for place, member in enumerate(manifest.members):
        member.check()
        if member.name in seen:
            raise ValueError(f"{member.name} twice")
        seen.add(member.name)
        for piece in member.pieces:
            _check_piece(piece, member, manifest.members[:place])
    for member in manifest.members:
        if above := seen.intersection(map(str, PurePosixPath(member.name).parents)):
            raise ValueError(f"{member.name} below {min(above)}, which is no directory")
    if sum(member.size for member in manifest.members) > MOST:
        raise ValueError(f"more than {MOST >> 30} GiB in it")


def _check_piece(piece: Piece, member: Member, earlier: Sequence[Member]) -> None:
    if not all(type(number) is int for number in (piece.size, piece.offset, piece.holder or 0)):
        raise ValueError(f"{member.name} from a piece that is not counted in bytes")
    if piece.size <= 0 or piece.offset < 0:
        raise ValueError(f"{member.name} from a piece of no size")
    if piece.holder is not None:
        if not 0 <= piece.holder < len(earlier):
            raise ValueError(f"{member.name} from a member that does not come before it")
        holder = earlier[piece.holder]
        if holder.top != member.top or holder.link or piece.offset + piece.size > holder.size:
            raise ValueError(f"{member.name} from what {holder.name} has not")


def check_fits(manifest: Manifest, name: str, version: str, pins_here: str, bundle: str = "") -> None:
    """Raise KitError for a kit that was made for another machine, or by another project than this one.

    Args:
        name: the kit, for the messages.
        version: of this project.
        pins_here: what `pins` gives of this project.
        bundle: the key of the bundle that this project needs; empty: it is not known here.
    """
    if manifest.architecture != platform.machine():
        raise KitError(
            f"{name} is a kit for {manifest.architecture}, and this machine is {platform.machine()}: make one on such "
            "a machine with playbooks/export_kit.yml; nothing was changed."
        )
    if manifest.version != version:
        raise KitError(
            f"{name} is a kit of version {manifest.version}, and this project is version {version}: use a kit of "
            f"{version}, or the project at {manifest.version} (the kit holds its collection); nothing was changed."
        )
    if manifest.pins != pins_here:
        raise KitError(
            f"{name} was made by a project of version {version} that pins other versions of what a room is made of "
            "(supply/, requirements/) than this one: make it anew with playbooks/export_kit.yml, or use the project "
            "that it was made by; nothing was changed."
        )
    if bundle and manifest.bundle != bundle:
        raise KitError(
            f"{name} holds the bundle {manifest.bundle}, and this project needs {bundle}: make it anew with "
            "playbooks/export_kit.yml of this very project; nothing was changed."
        )


def pins(project: Path) -> str:
    """The sha256 of all files of the project that say what a room is made of (hexadecimal)."""
    whole = hashlib.sha256()
    for path in sorted(path for pattern in _PINS for path in project.glob(pattern) if path.is_file()):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"{path.relative_to(project)} {digest}\n".encode())
    return whole.hexdigest()


def version_of(project: Path) -> str:
    """The collection's version, from a checkout or from an installed collection."""
    source = project / "galaxy.yml"
    if source.is_file():
        found = re.search(r"^version: *(\S+)", source.read_text(), re.MULTILINE)
        return found.group(1) if found else ""
    return str(json.loads((project / "MANIFEST.json").read_text())["collection_info"]["version"])
