# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a bundle could not be made, in one sentence each."""

from __future__ import annotations

import errno
import re
import shutil
from pathlib import Path

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.paths import nearest

# What package managers, Go and the kernel print, and what it means.
_NO_SPACE = re.compile(r"no space left on device|disk quota exceeded|you don't have enough free space", re.IGNORECASE)
_UNREACHABLE = re.compile(
    r"no such host|could not resolve|temporary failure (in name resolution|resolving)|no route to host"
    r"|connection (refused|timed out|reset)|i/o timeout|TLS handshake timeout|Client\.Timeout exceeded"
    r"|network is unreachable|failed to establish a new connection|could not connect|proxyconnect tcp"
    r"|\(from versions: none\)",  # all that pip says without retries
    re.IGNORECASE,
)


# What a file system without locks says.
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)


class BundleError(WorkshopError):
    """The bundle cannot be made. The message is one sentence for people, with the remedy."""


def explain(what: str, source: str, log: str, directory: Path) -> str:
    """Say in one sentence why a build step failed.

    Args:
        what: the component, for example "go kubernetes".
        source: the package registry that the step uses, for example "the Go module proxy".
        log: the end of the step's output.
        directory: where the step writes, for the free space.

    >>> explain("go etcd", "the Go module proxy", "dial tcp: lookup x: no such host", Path("/"))[:46]
    'go etcd: the Go module proxy cannot be reached'
    """
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    for line in reversed(lines):
        if _NO_SPACE.search(line):
            return no_space(what, directory)
    for line in reversed(lines):
        if _UNREACHABLE.search(line):
            return (
                f"{what}: {source} cannot be reached ({line[-200:]}). Check the network and proxy settings and run the "
                "same command again: what is already built stays."
            )
    return f"{what}: failed: {lines[-1][-300:] if lines else 'without a word'}"


def no_space(what: str, directory: Path, needed: float = 0) -> str:
    """Say that `directory`'s file system is full, or has less than `needed` bytes."""
    free = shutil.disk_usage(directory).free / 1e9
    wanted = f", {needed / 1e9:.0f} GB are needed" if needed else ""
    return (
        f"{what}: no space left in the cache's file system ({directory}: {free:.1f} GB free{wanted}). Free some and "
        "run the same command again (what is already built stays), or put the cache elsewhere with "
        "-e workshop_cache_dir=/another/directory."
    )


def unusable(error: OSError, cache: Path) -> str:
    """Say why a cache cannot be used, and what to do: it is full, somebody else's, on a file system without locks.

    Args:
        error: what the kernel said of it, or of something in it.
        cache: its directory, which need not be there.

    >>> unusable(OSError(30, "Read-only file system", "/cache/lock"), Path("/cache"))[:55]
    '/cache/lock cannot be written: Read-only file system. B'
    """
    where = str(error.filename or cache)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return no_space("bundle", nearest(cache))
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        why = f"{where} cannot be written: {error.strerror}. Become the cache's owner, or"
    elif error.errno in NO_LOCKS:
        why = f"The file system of {cache} has no locks ({error.strerror}), and two runs would disturb each other:"
    else:
        why = f"{error.strerror}: {where}. Mend that, or"
    return f"{why} name a cache of your own with -e workshop_cache_dir=/another/directory."
