# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a machine was like before the first room, what rooms have set since, and which they are: one file for all."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError

DIRECTORY_MODE = 0o755


class RecordError(WorkshopError):
    """The record cannot be used."""


@dataclasses.dataclass
class HostRecord:
    """The record.

    Attributes:
        sysctls: kernel settings by name, before the first room.
        raised: those that a room has set itself, by name, with its value; None in a record that was written before this
            was kept.
        modules: kernel modules that a room has loaded.
        chains: firewall chains (`table chain`) by command, before the first room.
        mounts: places where Podman leaves mounts that were there before the first room.
        rooms: rooms that are made, or will be in a moment.
    """

    sysctls: dict[str, str]
    chains: dict[str, list[str]]
    mounts: list[str]
    raised: dict[str, str] | None = None
    modules: list[str] = dataclasses.field(default_factory=list)
    rooms: list[str] = dataclasses.field(default_factory=list)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the record at `path` alone, among all processes; who comes second waits."""
    lock = path.with_suffix(".lock")
    while True:
        # Not exist_ok, which fails where the directory goes between its two looks.
        with contextlib.suppress(FileExistsError):
            path.parent.mkdir(mode=DIRECTORY_MODE, parents=True)
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:  # the last room's end has removed the directory in this moment
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # It may have been removed while we waited: then it keeps nobody out.
            if _is_same(lock, descriptor):
                yield
                return
        finally:
            os.close(descriptor)


def load(path: Path) -> HostRecord | None:
    """Read the record, None when there is none.

    Raises:
        RecordError: it is no record.
    """
    try:
        content = json.loads(path.read_text())
        known = {field.name for field in dataclasses.fields(HostRecord)}
        return HostRecord(**{name: value for name, value in content.items() if name in known})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, AttributeError) as error:
        raise RecordError(
            f"{path} does not hold what this machine was like before the first room ({error}): look at it, then move "
            "it away and run the same command again; kernel settings then stay as they are."
        ) from error


def store(path: Path, record: HostRecord) -> None:
    """Write it, with its lock held: whoever is killed leaves the old record or the new one, never half of it."""
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(dataclasses.asdict(record), file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def forget(path: Path) -> None:
    """Remove it, with its lock, which must be held."""
    for file in (path, *path.parent.glob(f".{path.name}.*"), path.with_suffix(".lock")):  # drafts of killed runs too
        file.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not ours alone
        path.parent.rmdir()


def _is_same(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
