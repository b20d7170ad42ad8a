# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a minisign signature of a file is good.

A fresh machine has no minisign before the kit, whose signature it is, has been unpacked: so it is verified here, with
Python alone (Ed25519 as in RFC 8032, 5.1.7; nothing secret is handled). Signing is minisign's own business.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from pathlib import Path

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit import (
    COPY,
    DamagedError,
    KitError,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.paths import expanded

SUFFIX = ".minisig"
_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
# A point in extended coordinates: (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z.
_Point = tuple[int, int, int, int]


def check_signature(path: Path, signature: Path, key: str) -> None:
    """Raise KitError unless `signature` is one of the file `path` by the public key.

    Args:
        key: a public key as minisign writes it (RW...), or the path of its file.
    """
    key_id, public = _read_key(key)
    try:
        if signature.exists() and not signature.is_file():
            raise ValueError("no file")
        _, encoded, trusted, globally = signature.read_text().splitlines()[:4]
        raw = base64.b64decode(encoded, validate=True)
        algorithm, signer, signed = raw[:2], raw[2:10], raw[10:]
        comment = trusted.removeprefix("trusted comment: ").encode()
        whole = base64.b64decode(globally, validate=True)
    except FileNotFoundError as error:
        raise KitError(
            f"{path} is not signed: {signature} does not exist, and workshop_kit_key is given. Have it signed "
            "(export_kit.yml -e kit_sign_key=FILE), or leave the key out to take it on trust; nothing was changed."
        ) from error
    except (OSError, ValueError) as error:
        raise KitError(f"{signature} is no signature of minisign. {COPY}") from error
    if algorithm != b"ED" or len(signed) != 64 or len(whole) != 64:
        raise KitError(
            f"{signature} is a signature of a kind that is not known here: sign it with minisign 0.8 or newer."
        )
    if signer != key_id:
        raise KitError(
            f"{path} was signed by another key ({signer[::-1].hex().upper()}) than the one that workshop_kit_key "
            f"names ({key_id[::-1].hex().upper()}): get the kit from whom you trust; nothing was changed."
        )
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "blake2b").digest()
    if not verify(public, digest, signed) or not verify(public, signed + comment, whole):
        raise DamagedError(f"{path} is not what was signed: it, or {signature.name}, was changed. {COPY}")


def _read_key(key: str) -> tuple[bytes, bytes]:
    """The key's number and the key."""
    text = key
    try:
        file = expanded(key)
        if file.is_file():
            text = file.read_text()
        raw = base64.b64decode(text.strip().splitlines()[-1], validate=True)
        if len(raw) != 42 or raw[:2] != b"Ed":
            raise ValueError("another kind of key")
    except (OSError, ValueError, IndexError, binascii.Error) as error:
        raise KitError(
            f"workshop_kit_key is {key!r:.80}, but must be a public key of minisign (RW...) or the file that holds it: "
            "for example -e workshop_kit_key=kit.pub; nothing was changed."
        ) from error
    return raw[2:10], raw[10:]


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether this is the Ed25519 signature of `message` by the owner of `public`."""
    owner, commitment = _decode(public), _decode(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if owner is None or commitment is None or scalar >= _ORDER:
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % _ORDER
    left, right = _times(scalar, _BASE), _plus(commitment, _times(challenge, owner))
    return (left[0] * right[2] - right[0] * left[2]) % _P == 0 and (left[1] * right[2] - right[1] * left[2]) % _P == 0


def _plus(one: _Point, other: _Point) -> _Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c = 2 * one[3] * other[3] * _D % _P
    d = 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _times(factor: int, point: _Point) -> _Point:
    total: _Point = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            total = _plus(total, point)
        point = _plus(point, point)
        factor >>= 1
    return total


def _decode(encoded: bytes) -> _Point | None:
    """The point that 32 bytes stand for, if any."""
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = _P - x
    return (x, y, 1, x * y % _P)


_BASE: _Point = _decode((4 * pow(5, -1, _P) % _P).to_bytes(32, "little")) or (0, 1, 1, 0)
