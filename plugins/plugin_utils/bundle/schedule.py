# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long a bundle will take: measured shares by part, scaled by what this machine has taken so far."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.parts import Part

# Seconds that a part took on 2 cores that did nothing else, Go's caches empty at first; of a part that is not named,
# what its kind takes. They need not be right, only in proportion.
_SECONDS = {
    "go kubernetes": 221.0,
    "go istio": 121.0,
    "go kube-router": 39.0,
    "go coredns": 6.0,
    "go kaniko": 42.0,
    "go containerd": 22.0,
    "go ferretdb": 20.0,
    "go local-path-provisioner": 3.0,
    "go etcd": 6.0,
    "go cni": 1.0,
    "debian python": 21.0,
    "debian node": 24.0,
}
_SECONDS_OF_KIND = {
    "toolchain": 2.0,
    "pypi": 1.0,
    "wheels": 4.0,
    "debian": 3.0,
    "go": 20.0,
    "image": 0.3,
    "sbom": 3.0,
}
# The measured shares count like so many seconds of this machine's own, so that one quick or slow download says little.
_PRIOR_SECONDS = 60.0


def share(part: Part) -> float:
    """Seconds that a part takes where the shares were measured."""
    return _SECONDS.get(part.name, _SECONDS_OF_KIND[part.kind])


def minutes(seconds: float) -> str:
    """Say how long something takes, as roughly as it is known.

    >>> minutes(20), minutes(100), minutes(1020)
    ('less than a minute', 'about 2 minutes', 'about 17 minutes')
    """
    whole = round(seconds / 60)
    if seconds < 45:
        return "less than a minute"
    return f"about {max(whole, 1)} minute{'s' if whole > 1 else ''}"


@dataclass
class _Pace:
    """The seconds that parts should have taken, and those that they took."""

    expected: float = 0.0
    taken: float = 0.0

    @property
    def factor(self) -> float:
        return (self.taken + _PRIOR_SECONDS) / (self.expected + _PRIOR_SECONDS)


class Schedule:
    """The build of `parts`, in their order.

    Args:
        parts: those that have to be built.
        total: how many parts there are, with those that are in the cache.
    """

    def __init__(self, parts: Iterable[Part], total: int) -> None:
        self._open = {part.name: share(part) for part in parts}
        self._total = total
        self._paces = {True: _Pace(), False: _Pace()}

    def done(self, name: str, seconds: float) -> None:
        """Note that a part was built in so many seconds."""
        pace = self._pace_of(name)
        pace.expected += self._open.pop(name)
        pace.taken += seconds

    def left(self, running: str = "", elapsed: float = 0.0) -> float:
        """Seconds until all is built.

        Args:
            running: the part that is being built.
            elapsed: seconds for which it has been.
        """
        rest = sum(self._seconds(name) for name in self._open if name != running)
        return rest + (max(self._seconds(running) - elapsed, 0.0) if running in self._open else 0.0)

    def outlook(self, running: str, elapsed: float) -> str:
        """Say how long all will take, where a part has been built for so many seconds; or what alone is known of it."""
        left = minutes(self.left(running, elapsed))
        if elapsed <= self._seconds(running):
            return f"{left} left in all"
        return "longer than expected" + (f"; {left} after it" if len(self._open) > 1 else "")

    def _seconds(self, name: str) -> float:
        """What an open part will take at this machine's pace."""
        return self._open[name] * self._pace_of(name).factor

    def _pace_of(self, name: str) -> _Pace:
        # Compiling says nothing of how fast packages come, nor the other way round.
        return self._paces[name.startswith("go ")]

    def __str__(self) -> str:
        done = self._total - len(self._open)
        return f"{done} of {self._total} parts are done" + (f", {minutes(self.left())} left" if self._open else "")


def needs(parts: Sequence[Part]) -> list[str]:
    """Name the package registries that these parts come from."""
    sources = {"go": "the Go module proxy", "debian": "Debian's packages", "pypi": "PyPI"}
    kinds = {{"toolchain": "pypi", "wheels": "pypi"}.get(part.kind, part.kind) for part in parts}
    return [name for kind, name in sources.items() if kind in kinds]
