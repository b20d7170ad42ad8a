# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pushes a node's images to a registry, and waits until its catalog lists them."""

from __future__ import annotations

import base64
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.module_utils.registry.api import Registry, RegistryError

POLL_SECONDS = 0.5


class SeedError(WorkshopError):
    """The registry is not as it must be. The message is one sentence for people."""


@dataclass
class Pushed:
    """What the catalog listed before, and which images (NAME:TAG) were pushed; only check mode goes on unanswered."""

    before: list[str] = field(default_factory=list)
    pushed: list[str] = field(default_factory=list)
    answered: bool = True


class Seed:
    """Pushes images and watches the catalog.

    Args:
        registry: the registry, as this node reaches it.
        ctr: runs containerd's `ctr` with some arguments, and gives what it prints; raises SeedError when it fails.
        hosts: directory that tells `ctr` how to talk to the registry.
        timeout: seconds that the registry may take to answer, and to list what was pushed.
        dry_run: whether nothing is pushed, and nothing waited for.
    """

    def __init__(
        self,
        registry: Registry,
        ctr: Callable[..., str],
        hosts: Path,
        timeout: float,
        *,
        dry_run: bool = False,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._address = registry.url.partition("://")[2]
        self._ctr = ctr
        self._hosts = hosts
        self._timeout = timeout
        self._dry_run = dry_run
        self._sleep = sleep
        self._clock = clock

    def push(self, images: Sequence[str], *, fresh: bool) -> Pushed:
        """Push what the registry lacks; one whose storage is `fresh` must be empty."""
        try:
            self._registry.wait(0 if self._dry_run else self._timeout)
        except RegistryError:
            if not self._dry_run:
                raise
            return Pushed([], [short(image) for image in images], answered=False)  # there is no registry yet
        before = self._registry.catalog()
        if fresh and before:
            raise SeedError(
                f"The registry is new, but its catalog at {self._address} lists {', '.join(before)}: does another "
                "registry answer at this port?"
            )
        return Pushed(before, [short(image) for image in images if self._push(image)])

    def catalog(self, expected: Sequence[str]) -> list[str]:
        """Read the catalog once it lists what is expected."""
        deadline = self._clock() + self._timeout
        while True:
            catalog = self._registry.catalog()
            missing = [name for name in expected if name not in catalog]
            if not missing or self._dry_run:
                return catalog
            if self._clock() > deadline:
                raise SeedError(
                    f"The catalog at {self._address} lists {', '.join(catalog) or 'nothing'}, but not "
                    f"{', '.join(missing)} after {self._timeout} s."
                )
            self._sleep(POLL_SECONDS)

    def _push(self, image: str) -> bool:
        name, _, tag = short(image).rpartition(":")
        if self._registry.damage(name, tag, self._local_digest(image)) is None:
            return False
        if not self._dry_run:
            self._ctr(
                *("images", "push", "--local", "--hosts-dir", str(self._hosts)),
                f"{self._address}/{short(image)}",
                image,
            )
        return True

    def _local_digest(self, image: str) -> str:
        # REF TYPE DIGEST ...
        for line in self._ctr("images", "list", f"name=={image}").splitlines():
            words = line.split()
            if words and words[0] == image:
                return words[2]
        raise SeedError(f"The node has no image {image}, which playbooks/nodes.yml preloads: play that first.")


@contextmanager
def hosts_directory(address: str, login: tuple[str, str] | None) -> Iterator[Path]:
    """Tell `ctr` how to talk to a registry, in a directory that is gone afterwards.

    A password in a file of our own stands in no list of processes.

    Args:
        address: HOST:PORT.
        login: the user's name and password, for who pushes.
    """
    lines = [f'[host."http://{address}"]', 'capabilities = ["pull", "resolve", "push"]']
    if login:
        token = base64.b64encode(":".join(login).encode()).decode()
        lines += [f'[host."http://{address}".header]', f'Authorization = "Basic {token}"']
    with tempfile.TemporaryDirectory(prefix="registry-") as directory:  # for its owner alone
        file = Path(directory) / address / "hosts.toml"
        file.parent.mkdir()
        file.write_text("\n".join([f'server = "http://{address}"', *lines, ""]))
        yield Path(directory)


def short(image: str) -> str:
    """Give an image's name in a registry of ours.

    >>> short("localhost/workshop/busybox:1.35.0")
    'busybox:1.35.0'
    """
    return image.rpartition("/")[2]
