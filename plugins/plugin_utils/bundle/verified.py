# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Remembering that a bundle was verified, so that a room reads all of it once and then looks at sizes and times."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.contract import LOCK, verify


def verify_once(
    path: Path, stamp: Path | None, progress: Callable[[str], None] | None = None, remember: bool = True
) -> None:
    """Verify the bundle in the directory `path`, unless `stamp` says that it was and nothing has happened to it since.

    Args:
        path: the bundle's directory.
        stamp: a file of the caller's own: whoever can write a cache could write there that it is sound. None: verify.
        progress: told how far it is.
        remember: whether the stamp may be written; check mode reads it alone.

    Raises:
        BundleError: see `contract.verify`; there is no stamp then.
        OSError: a file went while it was looked at.
    """
    if stamp and is_stamped(path, stamp):
        return
    remembered = stamp if remember else None
    with contextlib.suppress(OSError):  # that a stamp cannot be written is no fault of the bundle
        if remembered:
            remembered.unlink(missing_ok=True)
    before = fingerprint(path)
    verify(path, progress)
    with contextlib.suppress(OSError):
        if remembered:
            write(remembered, before)


def is_stamped(path: Path, stamp: Path) -> bool:
    """Whether the stamp is of this bundle, and of every file's size, time and place on the disk."""
    try:
        return stamp.read_bytes() == fingerprint(path).encode()
    except OSError:
        return False


def fingerprint(path: Path) -> str:
    """Digest the lock, and the size, time of change, permissions and inode of everything below `path`."""
    digest = hashlib.sha256(str(path).encode())
    if (path / LOCK).is_file():
        digest.update((path / LOCK).read_bytes())
    for directory, names, files in sorted(os.walk(path)):
        for name in sorted([*names, *files]):
            entry = (Path(directory) / name).lstat()
            digest.update(f"{directory}/{name} {entry.st_mode} {entry.st_ino}".encode())
            if name in files:
                digest.update(f" {entry.st_size} {entry.st_mtime_ns}\n".encode())
    return digest.hexdigest() + "\n"


def write(stamp: Path, text: str) -> None:
    """Replace the stamp."""
    stamp.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = stamp.with_name(f"{stamp.name}.{os.getpid()}")
    new.write_text(text)
    new.replace(stamp)
