# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A kit from a registry: an OCI artifact whose layers are the pieces of the kit's file, in order.

Asked over HTTP with Python's own library, since a fresh machine has nothing else. What has come is kept: a run that was
interrupted goes on with the byte after the last one.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import re
import shutil
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit import KitError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_signature import SUFFIX

ARTIFACT_TYPE = "application/vnd.istio-games.workshop.kit.v1"
PIECE_TYPE = "application/vnd.istio-games.workshop.kit.piece"
SIGNATURE_TYPE = "application/vnd.istio-games.workshop.kit.signature"
_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_REGISTRY = r"(?P<host>[\w.-]+(:\d+)?)/(?P<name>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
_PINNED = re.compile(_REGISTRY + r"(:[\w.-]+)?@(?P<digest>sha256:[0-9a-f]{64})")
# As container tools know a registry's name from a path: by a dot or a port, or by its being this machine.
_TAGGED = re.compile(r"([\w-]+(\.[\w.-]+)?:\d+|[\w-]+(\.[\w-]+)+|localhost)/[a-z0-9._/-]+([:@].*)?")
_TIMEOUT = 30.0  # seconds without a byte
_PATIENCE = (1.0, 2.0, 4.0, 8.0)  # seconds before each new try of one piece
_SPARE = 50_000_000  # bytes
_CHUNK = 1 << 18


@dataclass(frozen=True)
class Reference:
    """Where a kit is in a registry: `host` (with its port), `name` and `digest` ("sha256:...")."""

    host: str
    name: str
    digest: str


def reference(text: str) -> Reference | None:
    """Read HOST/NAME@sha256:DIGEST; None: it is a file's name.

    Raises:
        KitError: it means a registry, but does not say exactly which kit.
    """
    if Path(text).exists():
        return None
    if found := _PINNED.fullmatch(text):
        return Reference(found["host"], found["name"], found["digest"])
    if "@" in text or (_TAGGED.fullmatch(text) and not text.startswith(".")):
        raise KitError(
            f"workshop_kit is {text!r:.200}, which is neither a file here nor a registry's kit by its digest: a tag "
            "may be another kit tomorrow, so type HOST/NAME@sha256: and the 64 digits that export_kit.yml prints; "
            "nothing was changed."
        )
    return None


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
    """Gets kits from a registry over HTTPS.

    Args:
        directory: where pieces, and the kits that they become, are kept; made when missing.
        say: tells people about the progress.
        login: a file of registries' logins, as `skopeo login` and `podman login` write it; empty: none.
        ca: a file of CA certificates (PEM) that the registry's is judged by; empty: this machine's own.
        sleep: waits.
    """

    def __init__(
        self,
        directory: Path,
        say: Callable[[str], None],
        login: str = "",
        ca: str = "",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._directory, self._say, self._sleep = directory, say, sleep
        self._logins = _read_logins(login)
        self._token = ""
        try:
            context = ssl.create_default_context(cafile=str(Path(ca).expanduser()) if ca else None)
        except (OSError, ssl.SSLError) as error:
            raise KitError(
                f"workshop_kit_ca is {ca!r:.80}, but must be a file of CA certificates in PEM form ({error}); nothing "
                "was changed."
            ) from error
        self._opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _NoLoginElsewhere())

    def pull(self, wanted: Reference) -> Path:
        """Get a kit's file, and the signature beside it where there is one.

        Raises:
            KitError: it cannot be had. What has come so far is kept in `directory`, and nothing else was changed.
        """
        target = self._directory / f"{wanted.digest.removeprefix('sha256:')}.kit"
        if target.is_file():
            return target
        pieces, signature = self._pieces(wanted)
        partial = target.with_suffix(".part")
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._check_space(wanted, sum(piece.size for piece in pieces) - _size(partial))
            for piece in signature:
                self._get(wanted, piece, piece.size, target.with_name(target.name + SUFFIX))
            for piece in pieces:
                if _size(partial) < piece.end or _digest(partial, piece) != piece.digest:
                    self._get(wanted, piece, pieces[-1].end, partial)
                    self._say(f"{piece.end / 1e6:.0f} of {pieces[-1].end / 1e6:.0f} MB are here")
            partial.rename(target)
        except OSError as error:
            raise KitError(
                f"The kit of {wanted.host} cannot be kept in {self._directory}: {error.strerror}. Free some space, or "
                "put the cache elsewhere with -e workshop_cache_dir=/another/directory; nothing was changed."
            ) from error
        return target

    def _check_space(self, wanted: Reference, needed: int) -> None:
        free = shutil.disk_usage(self._directory).free
        if free < needed + _SPARE:
            raise KitError(
                f"No space for the kit of {wanted.host}: {(needed + _SPARE) / 1e6:.0f} MB are needed in "
                f"{self._directory}, and {free / 1e6:.0f} MB are free. Put the cache elsewhere with "
                "-e workshop_cache_dir=/another/directory; nothing was changed."
            )

    def _pieces(self, wanted: Reference) -> tuple[list[Piece], list[Piece]]:
        """The kit's pieces, and its signature (or none), as the registry's manifest has them."""
        try:
            with self._open(wanted, f"manifests/{wanted.digest}", {"Accept": _MANIFEST_TYPE}) as answer:
                body = answer.read(4 << 20)
        except (_BrokenOffError, OSError, http.client.HTTPException) as error:
            raise KitError(
                f"The registry {wanted.host} cannot be asked over HTTPS ({error}): see its name, its port and the "
                "network; nothing was changed."
            ) from error
        if f"sha256:{hashlib.sha256(body).hexdigest()}" != wanted.digest:
            raise KitError(
                f"What {wanted.host} gives for {wanted.digest} has another digest: do not use that registry; nothing "
                "was changed."
            )
        try:
            layers = json.loads(body)["layers"]
            pieces = list(_in_order(layer for layer in layers if layer["mediaType"] == PIECE_TYPE))
            signature = list(_in_order(layer for layer in layers if layer["mediaType"] == SIGNATURE_TYPE))[:1]
        except (ValueError, KeyError, TypeError):
            pieces, signature = [], []
        if not pieces:
            raise KitError(
                f"{wanted.host}/{wanted.name}@{wanted.digest} is no kit, but an artifact of another kind: "
                f"export_kit.yml -e kit_push={wanted.host}/{wanted.name} prints a kit's digest; nothing was changed."
            )
        return pieces, signature

    def _get(self, wanted: Reference, piece: Piece, total: int, file: Path) -> None:
        """Have a piece at its place in `file`: all of it is asked for, or the rest when a part is there."""
        for pause in (*_PATIENCE, None):
            try:
                self._rest(wanted, piece, file)
                break
            except _BrokenOffError as error:
                at = f"{_size(file) / 1e6:.0f} of {total / 1e6:.0f} MB"
                if pause is None:
                    raise KitError(
                        f"The registry {wanted.host} broke off after {at} ({error}): run the same command again, and "
                        "it goes on from there; nothing was changed."
                    ) from error
                self._say(f"the registry broke off after {at} ({error}): going on in {pause:.0f} s")
                self._sleep(pause)
        if _digest(file, piece) != piece.digest:
            os.truncate(file, piece.offset)
            raise KitError(
                f"The registry {wanted.host} sent something else than {piece.digest}: run the same command again, and "
                "if it stays so, push the kit anew; nothing was changed."
            )

    def _rest(self, wanted: Reference, piece: Piece, file: Path) -> None:
        have = _size(file)
        if have >= piece.end:
            return
        first = have - piece.offset
        headers = {"Range": f"bytes={first}-"} if first else {}
        with self._open(wanted, f"blobs/{piece.digest}", headers) as answer:
            if not (answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {first}-")):
                have = piece.offset  # it sends the whole piece
            with file.open("ab") as sink:
                sink.truncate(have)
                while have < piece.end:
                    try:
                        chunk = answer.read(min(_CHUNK, piece.end - have))
                    except (TimeoutError, ConnectionError, ssl.SSLError, http.client.HTTPException) as error:
                        raise _BrokenOffError(str(error) or type(error).__name__) from error
                    if not chunk:
                        raise _BrokenOffError("it closed the connection")
                    have += sink.write(chunk)

    def _open(self, wanted: Reference, what: str, headers: Mapping[str, str]) -> Any:
        """Ask the registry, with a login where it wants one."""
        url = f"https://{wanted.host}/v2/{wanted.name}/{what}"
        for again in (True, False):
            allowed = {"Authorization": self._token} if self._token else {}
            try:
                return self._opener.open(urllib.request.Request(url, headers={**headers, **allowed}), timeout=_TIMEOUT)
            except urllib.error.HTTPError as error:
                if error.code == 401 and again:
                    self._token = self._authorization(wanted, error.headers.get("WWW-Authenticate", ""))
                    if self._token:
                        continue
                raise _refused(wanted, error.code, bool(self._logins.get(wanted.host))) from error
            except urllib.error.URLError as error:
                if isinstance(error.reason, ssl.SSLCertVerificationError):
                    raise KitError(
                        f"The certificate of {wanted.host} is by no CA that is known here "
                        f"({error.reason.verify_message}): name the file of its CA with -e "
                        "workshop_kit_ca=/path/ca.crt; nothing was changed."
                    ) from error
                raise _BrokenOffError(str(error.reason)) from error
            except (OSError, http.client.HTTPException) as error:
                raise _BrokenOffError(str(error) or type(error).__name__) from error
        raise AssertionError("asked twice")

    def _authorization(self, wanted: Reference, challenge: str) -> str:
        """The Authorization header that answers a registry's challenge; empty: there is none to give."""
        login = self._logins.get(wanted.host, "")
        kind, _, text = challenge.partition(" ")
        if kind.lower() == "basic":
            return f"Basic {login}" if login else ""
        parameters = dict(re.findall(r'(\w+)="([^"]*)"', text))
        realm = parameters.pop("realm", "")
        if kind.lower() != "bearer" or not realm.startswith("https://"):
            return ""
        parameters.setdefault("scope", f"repository:{wanted.name}:pull")
        request = urllib.request.Request(f"{realm}?{urllib.parse.urlencode(parameters)}")
        if login:
            request.add_header("Authorization", f"Basic {login}")
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as answer:
                data = json.load(answer)
            return f"Bearer {data.get('token') or data['access_token']}"
        except (OSError, ValueError, KeyError):
            return ""


class _BrokenOffError(Exception):
    """A piece's transfer ended too early; trying again may help."""


class _NoLoginElsewhere(urllib.request.HTTPRedirectHandler):
    """A registry may send us to its storage for a blob, but not with the login that is the registry's."""

    def redirect_request(self, *arguments: Any) -> urllib.request.Request | None:
        """Follow, to HTTPS alone."""
        request = super().redirect_request(*arguments)
        if request and not request.full_url.startswith("https://"):
            raise urllib.error.URLError("it leads to a place without TLS")
        if request:
            request.remove_header("Authorization")
        return request


def _refused(wanted: Reference, code: int, with_login: bool) -> Exception:
    if code in {401, 403}:
        said = "with the login that workshop_kit_login has for it" if with_login else "without a login for it"
        return KitError(
            f"The registry {wanted.host} gives nothing {said} ({code}): type skopeo login --authfile FILE "
            f"{wanted.host}, and give -e workshop_kit_login=FILE; nothing was changed."
        )
    if code == 404:
        return KitError(
            f"The registry {wanted.host} has no {wanted.name}@{wanted.digest}: export_kit.yml -e "
            f"kit_push={wanted.host}/{wanted.name} prints the digest of what it pushed; nothing was changed."
        )
    if code >= 500 or code == 429:
        return _BrokenOffError(f"it answers {code}")
    return KitError(f"The registry {wanted.host} answers {code}; nothing was changed.")


def _read_logins(file: str) -> dict[str, str]:
    """The logins by registry: base64 of USER:PASSWORD each."""
    if not file:
        return {}
    try:
        data = json.loads(Path(file).expanduser().read_text())
        logins = {
            host.removeprefix("https://").partition("/")[0]: str(entry["auth"]) for host, entry in data["auths"].items()
        }
        for login in logins.values():
            base64.b64decode(login, validate=True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise KitError(
            f"workshop_kit_login is {file!r:.80}, but must be a file of logins as skopeo login --authfile FILE writes "
            "it; nothing was changed."
        ) from error
    return logins


def _in_order(layers: Iterable[Mapping[str, Any]]) -> Iterator[Piece]:
    """Give these layers of a manifest as parts of one file; raise ValueError for what is none."""
    offset = 0
    for layer in layers:
        digest, size = layer["digest"], layer["size"]
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest) or not isinstance(size, int) or size <= 0:
            raise ValueError("no piece")
        yield Piece(digest, size, offset)
        offset += size


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _digest(file: Path, piece: Piece) -> str:
    with file.open("rb") as stream:
        stream.seek(piece.offset)
        return f"sha256:{hashlib.sha256(stream.read(piece.size)).hexdigest()}"
