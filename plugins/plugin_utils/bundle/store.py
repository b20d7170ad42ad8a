# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A cache that users, rooms and machines may share, and the parts in it, each with a record of what it came out as.

A part that is no longer what it came out as is built again.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.contract import listing

# Tells backup programs, and our own teardown, that this is a cache (https://bford.info/cachedir/).
_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# The bundle cache of the workshop. It may be deleted.\n"


@contextmanager
def locked(cache: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Keep other runs out of a cache, which is made when missing, while this lasts: builds, kits, a purge.

    Raises:
        OSError: it cannot be made or written, or its file system has no locks (see `errors.unusable`).
    """
    while True:
        shared_directory(cache)
        tag = cache / "CACHEDIR.TAG"
        if not tag.exists():
            try:
                tag.write_text(_TAG)
            except OSError:  # an empty one, on a full disk, would make it another program's
                with suppress(OSError):
                    tag.unlink()
                raise
            tag.chmod(0o644)
        # Two users may share a cache: a lock wants no right to write, and everybody may read it.
        with os.fdopen(os.open(cache / "lock", os.O_RDONLY | os.O_CREAT, 0o644)) as lock:
            found = os.fstat(lock.fileno())
            if found.st_uid == os.geteuid() and found.st_mode & 0o444 != 0o444:
                os.fchmod(lock.fileno(), 0o644)
            try:
                take(lock.fileno(), lambda: say(f"waiting for another run in {cache} to end"))
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(cache / "lock")) from error
            if is_still(cache / "lock", found):  # a purge, for which we may have waited, removes it
                yield
                return


def discard(directory: Path) -> None:
    """Remove a directory, as far as that is possible; Go makes its module cache read-only."""
    for below, _, _ in os.walk(directory):
        with suppress(OSError):
            Path(below).chmod(0o755)
    shutil.rmtree(directory, ignore_errors=True)


def take(file: int, wait: Callable[[], None]) -> None:
    """Lock an open file; `wait` is told when another run has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        wait()
        fcntl.flock(file, fcntl.LOCK_EX)


def is_still(path: Path, found: os.stat_result) -> bool:
    """Whether a path leads to what was found there before."""
    try:
        return os.path.samestat(path.stat(), found)
    except FileNotFoundError:
        return False


def readable(directory: Path) -> None:
    """Let everybody read what is below `directory`, and its owner alone write, whatever the umask is."""
    directory.chmod(0o755)
    for path in directory.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def shared_directory(path: Path) -> None:
    """Make a directory of the cache that everybody may read; one that is there stays as it is."""
    if not path.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o755)


class PartStore:
    """A cache's built parts: `NAME-KEY/`, and `NAME-KEY.json` beside it: sha256 or target by path.

    Args:
        directory: where they are.
        keys: the content address of each part, by its name.
    """

    def __init__(self, directory: Path, keys: dict[str, str]) -> None:
        self._directory, self._keys = directory, keys

    def path(self, name: str) -> Path:
        """Where a part is, or will be."""
        return self._directory / f"{name.replace(' ', '-')}-{self._keys[name][:16]}"

    def _record(self, name: str) -> Path:
        path = self.path(name)
        return path.with_name(f"{path.name}.json")

    def add(self, name: str, built: Path) -> None:
        """Take a complete part from the directory `built`, in the place of any that is there."""
        files, links = listing(built)
        shared_directory(self._directory)
        content = {**{path: file.sha256 for path, file in files.items()}, **links}
        self._record(name).write_text(json.dumps(content, indent=0, sort_keys=True))
        self._record(name).chmod(0o644)
        built.rename(self.path(name))

    def is_there(self, name: str) -> bool:
        """Whether there is such a part; whether it is sound, `fault` says."""
        return self.path(name).is_dir()

    def fault(self, name: str, sums: dict[str, str] | None = None) -> str | None:
        """Say in one sentence why a part cannot be used; None when it is, byte for byte, what was built.

        Args:
            name: of a part that is there.
            sums: sha256 by file that it must have; None: what its record says.
        """
        path = self.path(name)
        files, links = listing(path)
        found = {**{file: item.sha256 for file, item in files.items()}, **links}
        if sums is None:
            sums = self._recorded(name)
            if sums is None:
                return f"{path} has no record of its content."
        for file in sorted(sums.keys() | found.keys()):
            if file not in found:
                return f"{path}/{file} is missing."
            if file not in sums:
                return f"{path}/{file} does not belong there."
            if found[file] != sums[file]:
                return f"{path}/{file} was cut or changed."
        return None

    def _recorded(self, name: str) -> dict[str, str] | None:
        try:
            data = json.loads(self._record(name).read_text())
            return {str(path): str(value) for path, value in data.items()}
        except (OSError, ValueError, AttributeError):
            return None
