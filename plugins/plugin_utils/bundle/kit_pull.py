# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A kit from a registry: an OCI artifact whose layers are the pieces of the kit's file, in order.

What has come is kept: a run that was interrupted goes on with the byte after the last one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit import MOST, KitError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_registry import (
    BROKEN,
    BrokenOffError,
    Registry,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_signature import SUFFIX
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.store import shared_directory

ARTIFACT_TYPE = "application/vnd.istio-games.workshop.kit.v1"
PIECE_TYPE = "application/vnd.istio-games.workshop.kit.piece"
SIGNATURE_TYPE = "application/vnd.istio-games.workshop.kit.signature"
_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_MANIFEST_LIMIT = 4 << 20  # bytes
_PATIENCE = (1.0, 2.0, 4.0, 8.0)  # seconds before each new try of one piece
_SAY_EVERY = 15.0  # seconds
_SPARE = 50_000_000  # bytes
_CHUNK = 1 << 18


@dataclass(frozen=True)
class Piece:
    """A part of a file: its digest ("sha256:..."), its size in bytes, and where in the file it begins."""

    digest: str
    size: int
    offset: int

    @property
    def end(self) -> int:
        """Where in the file it ends."""
        return self.offset + self.size


class Puller:
    """Gets a kit from a registry; nobody else must, meanwhile, into the same directory.

    Args:
        directory: where pieces, and the kits that they become, are kept; made when missing.
        registry: where the kit is.
        say: tells people about the progress.
        sleep: waits.
    """

    def __init__(
        self,
        directory: Path,
        registry: Registry,
        say: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._directory, self._registry, self._say, self._sleep = directory, registry, say, sleep
        self._wanted = registry.kit
        self._told = 0.0

    @property
    def place(self) -> Path:
        """Where the kit is, or will be."""
        return self._directory / f"{self._wanted.digest.removeprefix('sha256:')}.kit"

    @property
    def _manifest_file(self) -> Path:
        return self.place.with_suffix(".json")

    def is_there(self) -> bool:
        """Whether the kit is there, byte for byte what its digest stands for: the cache may be somebody else's."""
        try:
            body = self._manifest_file.read_bytes() if self.place.is_file() and self._manifest_file.is_file() else b""
            pieces, _ = _layers(body)
            return (
                _sha256(body) == self._wanted.digest
                and _size(self.place) == pieces[-1].end
                and all(_digest(self.place, piece) == piece.digest for piece in pieces)
            )
        except (OSError, ValueError):
            return False

    def pull(self) -> None:
        """Get the kit's file, and the signature beside it where there is one.

        Raises:
            KitError: it cannot be had. What has come so far is kept in `directory`, and nothing else was changed.
        """
        if self.is_there():
            return
        body, pieces, signature = self._pieces()
        partial = self.place.with_suffix(".part")
        try:
            for directory in (self._directory.parent, self._directory):
                shared_directory(directory)
            if self.place.is_file():  # of it, what is right is kept
                self.place.replace(partial)
            self._check_space(pieces[-1].end - _size(partial))
            for piece in signature:
                self._get(piece, piece.size, self.place.with_name(self.place.name + SUFFIX))
            for piece in pieces:
                if self._get(piece, pieces[-1].end, partial):
                    self._tell(piece.end, pieces[-1].end)
            os.truncate(partial, pieces[-1].end)
            partial.chmod(0o644)
            self._manifest_file.write_bytes(body)
            self._manifest_file.chmod(0o644)
            partial.rename(self.place)
        except OSError as error:
            raise KitError(
                f"The kit of {self._wanted.host} cannot be kept in {self._directory}: {error.strerror}. Free some "
                "space, or put the cache elsewhere with -e workshop_cache_dir=/another/directory; nothing was changed."
            ) from error

    def _check_space(self, needed: int) -> None:
        free = shutil.disk_usage(self._directory).free
        if free < needed + _SPARE:
            raise KitError(
                f"No space for the kit of {self._wanted.host}: {(needed + _SPARE) / 1e6:.0f} MB are needed in "
                f"{self._directory}, and {free / 1e6:.0f} MB are free. Put the cache elsewhere with "
                "-e workshop_cache_dir=/another/directory; nothing was changed."
            )

    def _pieces(self) -> tuple[bytes, list[Piece], list[Piece]]:
        """The registry's manifest, and as it has them the kit's pieces, and its signature (or none)."""
        wanted = self._wanted
        body = self._manifest()
        if _sha256(body) != wanted.digest:
            raise KitError(
                f"What {wanted.host} gives for {wanted.digest} has another digest: do not use that registry; nothing "
                "was changed."
            )
        try:
            return (body, *_layers(body))
        except ValueError as error:
            raise KitError(
                f"{wanted.host}/{wanted.name}@{wanted.digest} is no kit, but an artifact of another kind: "
                f"export_kit.yml -e kit_push={wanted.host}/{wanted.name} prints a kit's digest; nothing was changed."
            ) from error

    def _manifest(self) -> bytes:
        host = self._wanted.host
        for pause in (*_PATIENCE, None):
            try:
                with self._registry.open(f"manifests/{self._wanted.digest}", {"Accept": _MANIFEST_TYPE}) as answer:
                    body = bytes(answer.read(_MANIFEST_LIMIT))
                    if answer.length and len(body) < _MANIFEST_LIMIT:
                        raise BrokenOffError("it closed the connection")
                return body
            except (BrokenOffError, *BROKEN) as error:
                if not (isinstance(error, BrokenOffError) and error.busy):
                    raise KitError(
                        f"The registry {host} cannot be asked over HTTPS ({error}): see its name, its port and the "
                        "network; nothing was changed."
                    ) from error
                if pause is None:
                    raise KitError(
                        f"The registry {host} cannot give it now ({error}): run the same command again later; nothing "
                        "was changed."
                    ) from error
                self._wait(max(pause, error.pause), f"the registry is busy ({error})")
        raise AssertionError("no end of patience")

    def _wait(self, seconds: float, why: str) -> None:
        self._say(f"{why}: going on in {seconds:.0f} s")
        self._sleep(seconds)

    def _tell(self, done: int, total: int) -> None:
        self._told = time.monotonic()
        self._say(f"{done / 1e6:.0f} of {total / 1e6:.0f} MB are here")

    def _get(self, piece: Piece, total: int, file: Path) -> bool:
        """Have a piece at its place in `file`: all of it is asked for, or the rest when a part is there.

        Returns:
            Whether anything had to be asked for.
        """
        if _size(file) >= piece.end:
            if _digest(file, piece) == piece.digest:
                return False
            os.truncate(file, piece.offset)  # a machine that has lost power may have kept nothing but the size
        begun = _size(file) > piece.offset
        self._whole(piece, total, file)
        if begun and _digest(file, piece) != piece.digest:
            os.truncate(file, piece.offset)
            self._whole(piece, total, file)
        if _digest(file, piece) != piece.digest:
            os.truncate(file, piece.offset)
            raise KitError(
                f"The registry {self._wanted.host} sent something else than {piece.digest}: run the same command "
                "again, and if it stays so, push the kit anew; nothing was changed."
            )
        return True

    def _whole(self, piece: Piece, total: int, file: Path) -> None:
        """Ask for what is lacking of a piece until all of it is there."""
        for pause in (*_PATIENCE, None):
            try:
                self._rest(piece, total, file)
                return
            except BrokenOffError as error:
                at = f"{_size(file) / 1e6:.0f} of {total / 1e6:.0f} MB"
                if pause is None:
                    raise KitError(
                        f"The registry {self._wanted.host} broke off after {at} ({error}): run the same command again, "
                        "and it goes on from there; nothing was changed."
                    ) from error
                self._wait(max(pause, error.pause), f"the registry broke off after {at} ({error})")

    def _rest(self, piece: Piece, total: int, file: Path) -> None:
        have = _size(file)
        if have >= piece.end:
            return
        first = have - piece.offset
        headers = {"Range": f"bytes={first}-"} if first else {}
        with self._registry.open(f"blobs/{piece.digest}", headers) as answer:
            if not (answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {first}-")):
                have = piece.offset  # it sends the whole piece
            with file.open("ab") as sink:
                sink.truncate(have)
                while have < piece.end:
                    try:
                        chunk = answer.read(min(_CHUNK, piece.end - have))
                    except BROKEN as error:
                        raise BrokenOffError(str(error) or type(error).__name__) from error
                    if not chunk:
                        raise BrokenOffError("it closed the connection")
                    have += sink.write(chunk)
                    if time.monotonic() > self._told + _SAY_EVERY:
                        self._tell(have, total)


def _layers(body: bytes) -> tuple[list[Piece], list[Piece]]:
    """A kit's pieces, and its signature (or none), as a manifest has them; raise ValueError when it is no kit's."""
    try:
        layers = json.loads(body)["layers"]
        pieces = list(_in_order(layer for layer in layers if layer["mediaType"] == PIECE_TYPE))
        signature = list(_in_order(layer for layer in layers if layer["mediaType"] == SIGNATURE_TYPE))[:1]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError("no manifest of a kit") from error
    if not pieces or pieces[-1].end > MOST:
        raise ValueError("no piece of a kit, or more than a kit has")
    return pieces, signature


def _in_order(layers: Iterable[Mapping[str, Any]]) -> Iterator[Piece]:
    """Give these layers of a manifest as parts of one file; raise ValueError for what is none."""
    offset = 0
    for layer in layers:
        digest, size = layer["digest"], layer["size"]
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest) or type(size) is not int or size <= 0:
            raise ValueError("no piece")
        yield Piece(digest, size, offset)
        offset += size


def _sha256(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _digest(file: Path, piece: Piece) -> str:
    whole = hashlib.sha256()
    with file.open("rb") as stream:
        stream.seek(piece.offset)
        left = piece.size
        while chunk := stream.read(min(_CHUNK, left)):
            whole.update(chunk)
            left -= len(chunk)
    return f"sha256:{whole.hexdigest()}"
