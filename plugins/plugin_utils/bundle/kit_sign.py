# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Signing a kit, by minisign. Whether a signature is good, kit_signature.py says."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit import KitError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_signature import SUFFIX

# The beginning of a secret key of minisign: what it signs by, and by what a password protects it (two bytes each).
_SECRET, _NO_PASSWORD = b"Ed", b"\0\0"


def sign(path: Path, key: str) -> bool:
    """Sign a kit with minisign: the signature stands beside it. Returns whether it is another one than before."""
    signature = path.with_name(path.name + SUFFIX)
    new = path.with_name(f".{path.name}{SUFFIX}.new")
    try:
        done = subprocess.run(
            ["minisign", "-S", "-s", key, "-m", path, "-x", new, "-t", f"file:{path.name}"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise KitError(
                f"minisign could not sign {path} with {key}: {(done.stderr or done.stdout).strip()[-200:]} The key "
                "must have no password (minisign -G -W)."
            )
        if signature.is_file() and signature.read_bytes() == new.read_bytes():
            return False
        new.replace(signature)
        return True
    finally:
        new.unlink(missing_ok=True)


def check_sign_key(key: str) -> None:
    """Raise KitError when signing with this key cannot work."""
    if not shutil.which("minisign"):
        raise KitError("minisign signs a kit and is not installed: type apt-get install minisign.")
    try:
        text = Path(key).read_text(errors="replace") if Path(key).is_file() else ""
    except OSError:
        text = ""
    if "secret key" not in text[:200]:
        raise KitError(
            f"kit_sign_key is {key!r}, but must be the file of a secret key of minisign (minisign -G -W makes one): "
            "for example -e kit_sign_key=kit.key."
        )
    if _has_password(text):
        raise KitError(
            f"kit_sign_key is {key!r}, whose key has a password, which nobody is asked for here: make one without "
            "(minisign -G -W), or sign the kit yourself when it is there (minisign -S -s KEY -m KIT)."
        )


def _has_password(text: str) -> bool:
    try:
        raw = base64.b64decode(text.splitlines()[1], validate=True)
    except (ValueError, IndexError):  # which minisign itself will say
        return False
    return raw[:2] == _SECRET and raw[2:4] != _NO_PASSWORD
