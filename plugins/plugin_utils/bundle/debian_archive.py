# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where Debian packages come from: this machine's own apt sources, or the mirrors that a user names.

The node's suite is one of its own: on a machine of another suite of Debian, the same archives are asked for it.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError

# The parts of a release that are used: itself, and its updates.
_POCKETS = ("", "-updates", "-security")
# Of apt's settings: the ways to the archive, and whether a mirror may be old. Not what switches signatures off.
_WAYS = re.compile(
    r"Acquire::(https?|socks5?h?|tor|ftp|ForceIPv[46]|Retries|Check-(Date|Valid-Until)|Max-ValidTime|Proxy-[\w-]+)\b.*",
    re.IGNORECASE,
)
_CREDENTIALS = {"netrc": "auth.conf", "netrcparts": "auth.conf.d"}
_SIGNED_BY = re.compile(r"^\s*signed-by:\s*(/\S+)\s*$|\bsigned-by=(/[^\s\],]+)", re.IGNORECASE | re.MULTILINE)


def sources(suite: str, mirror: str) -> list[str]:
    """Lines of a sources.list for `suite`, from `mirror` (URLs with commas between) or this machine's own apt.

    A URL that ends in "-security" holds the security updates, as on Debian's own servers.

    Raises:
        BundleError: no mirror is named, and this machine has no Debian archive among its sources.
    """
    if mirror:
        lines = []
        for url in mirror.split(","):
            pockets = ("-security",) if url.rstrip("/").endswith("-security") else ("", "-updates")
            lines += [f"deb {url} {suite}{pocket} main" for pocket in pockets]
        return lines
    lines = from_index_targets(_index_targets(), suite, is_debian=_is_debian())
    if not any(f" {suite} " in line for line in lines):
        raise BundleError(
            f"The node is made of Debian {suite}, and this machine's apt sources name no archive of Debian: name a "
            "mirror of Debian, and one of its security updates, with "
            "-e workshop_debian_mirror=https://mirror.example/debian,https://mirror.example/debian-security."
        )
    return lines


def from_index_targets(listing: str, suite: str, is_debian: bool) -> list[str]:
    """The same from what `apt-get indextargets` prints, for `suite` whatever suite the machine is of.

    Args:
        listing: paragraphs of "Key: value" lines.
        suite: the suite to ask for.
        is_debian: whether this machine is Debian: then an archive whose lists were never read is taken for Debian's.
    """
    lines: list[str] = []
    for paragraph in listing.split("\n\n"):
        target = dict(re.findall(r"^([\w-]+): (.*)$", paragraph, re.MULTILINE))
        if target.get("Origin", "Debian" if is_debian else "") != "Debian" or target.get("Component") != "main":
            continue
        release = re.fullmatch(r"([a-z]+?)(-updates|-security|/updates)?", target.get("Release", ""))
        if not release:  # backports and the like
            continue
        pocket = (release[2] or "").replace("/updates", "-security")
        key = _signed_by(target.get("Sourcesentry", ""))
        options = f"[signed-by={key}] " if key else ""
        line = f"deb {options}{target['Repo-URI']} {suite}{pocket} main"
        if line not in lines:
            lines.append(line)
    return lines


def apt_settings() -> str:
    """What this machine's apt says about the way to its archives: proxies, certificates, credentials' files."""
    dump = _output(["apt-config", "dump"])
    lines = [line for line in dump.splitlines() if _WAYS.match(line) and not line.endswith(' "";')]
    for key, name in _CREDENTIALS.items():
        path = Path("/etc/apt", name)
        if path.exists():
            lines.append(f'Dir::Etc::{key} "{path}";')
    return "\n".join(lines) + "\n"


def hosts(lines: list[str]) -> str:
    """The names of the servers, without the credentials that a URL may hold.

    >>> hosts(["deb http://user:secret@a.example/debian bookworm main", "deb file:///srv/debian bookworm main"])
    'a.example, /srv/debian'
    """
    urls = [urlsplit(word) for line in lines for word in line.split() if "://" in word]
    return ", ".join(dict.fromkeys(url.hostname or url.path for url in urls))


def _index_targets() -> str:
    return _output(["apt-get", "indextargets", "Identifier: Packages"])


def _output(command: list[str]) -> str:
    """What a tool of apt prints; nothing where it is not installed."""
    try:
        return subprocess.run(command, check=False, capture_output=True, text=True).stdout
    except FileNotFoundError:
        return ""


def _is_debian() -> bool:
    try:
        return re.search(r"^ID=\"?debian\"?$", Path("/etc/os-release").read_text(), re.MULTILINE) is not None
    except OSError:
        return False


def _signed_by(entry: str) -> str:
    """The keyring that an entry of the sources ("FILE:LINE", in the newer format "FILE:PARAGRAPH") names, or ""."""
    name, _, number = entry.rpartition(":")
    try:
        text = Path(name).read_text()
        pieces = re.split(r"\n\s*\n", text.strip()) if name.endswith(".sources") else text.splitlines()
        found = _SIGNED_BY.search(pieces[int(number) - 1])
    except (OSError, ValueError, IndexError):
        return ""
    return (found[1] or found[2]) if found else ""
